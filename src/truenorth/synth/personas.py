"""Personas from texts and from one another, and what each of them would ask.

Source: Ge et al. 2024, "Scaling synthetic data creation with 1,000,000,000 personas" (arXiv:2406.20094): text-to-
persona (section 2.1), persona-to-persona (2.2), prompts by persona (3). Duplicates go by `dedupe` with
`text=persona_text`.
"""

from __future__ import annotations

from collections.abc import Sequence

from truenorth.models.protocol import Model, Tick
from truenorth.records import Row, Source
from truenorth.synth.asking import Said, gathered, request, say
from truenorth.synth.filters import Filtered
from truenorth.synth.writing import Brief, Way, prompts_from, write_prompts

FROM_TEXT = (
    "Text: {text}\n\nWho is likely to read, write or care about it? Describe one such person in one sentence."
)
RELATED = (
    "Here is a person: {about}\n{shown}\nDescribe people close to this person (family, colleagues, customers, "
    "opponents), each in one sentence, from number {next}."
)
PROMPT = (
    "{about}\n{shown}\nWrite what this person would ask an assistant, in their own words, from number {next}."
)


def persona_text(row: Row) -> str:
    """Who a persona is, in words."""
    return str(row.data["persona"])


def personas(
    model: Model,
    rows: Sequence[Row],
    *,
    n: int = 1,
    template: str = FROM_TEXT,
    column: str = "text",
    least_words: int = 3,
    max_tokens: int = 64,
    temperature: float = 1.0,
    seed: int = 0,
    tick: Tick | None = None,
) -> Filtered:
    """Rows (persona): who would care about each text, `n` times. Reasons: faults, "short".

    Args:
        column: of the rows, that holds the text.
    """
    asked = [request(template, {"text": str(row.data[column])}) for row in rows]
    found = say(model, asked, n, max_tokens=max_tokens, temperature=temperature, seed=seed, tick=tick)
    return gathered(
        _persona(one, row, "persona", model, least_words, seed)
        for row, group in zip(rows, found, strict=True)
        for one in group
    )


def related_personas(
    model: Model,
    rows: Sequence[Row],
    *,
    n: int = 1,
    template: str = RELATED,
    count: int = 3,
    least_words: int = 3,
    max_tokens: int = 256,
    temperature: float = 1.0,
    seed: int = 0,
    tick: Tick | None = None,
) -> Filtered:
    """Personas who know those of the rows, up to `count` of each of `n` replies. Call it again to go further out."""
    found = write_prompts(
        model,
        [Brief(about=persona_text(row)) for row in rows],
        n,
        template=template,
        count=count,
        max_tokens=max_tokens,
        temperature=temperature,
        seed=seed,
        tick=tick,
    )
    return gathered(
        _persona(one, row, "related persona", model, least_words, seed)
        for row, group in zip(rows, found, strict=True)
        for one in group
    )


def persona_prompts(
    model: Model,
    rows: Sequence[Row],
    n: int = 1,
    *,
    way: Way = "list",
    template: str = PROMPT,
    shown: Sequence[str] = (),
    count: int = 3,
    max_tokens: int = 128,
    temperature: float = 1.0,
    seed: int = 0,
    tick: Tick | None = None,
) -> Filtered:
    """What each persona would ask, as rows (prompt, persona). Reasons: those of `prompts_from`.

    The prompt itself does not say who asks. With `way` "turns" the persona is the system turn before the user's.
    """
    briefs = [
        Brief(persona_text(row), tuple(shown), "", (row.id,), "", (("persona", persona_text(row)),))
        for row in rows
    ]
    return prompts_from(
        model,
        briefs,
        n,
        producer="persona prompt",
        way=way,
        template=template,
        count=count,
        max_tokens=max_tokens,
        temperature=temperature,
        seed=seed,
        tick=tick,
    )


def _persona(one: Said, row: Row, producer: str, model: Model, least_words: int, seed: int) -> Row | str:
    wrong = one.fault or ("short" if len(one.text.split()) < least_words else "")
    source = Source(producer, "imitation", model=model.name, seed=seed, parents=(row.id,))
    return wrong or Row({"persona": " ".join(one.text.split())}, source)
