"""Personas from texts and from one another, and what each of them would ask.

Source: Ge et al. 2024, "Scaling synthetic data creation with 1,000,000,000 personas" (arXiv:2406.20094): text-to-
persona (section 2.1), persona-to-persona (2.2), prompts by persona (3). Duplicates go by `dedupe` with
`text=persona_text`.

Models too small to be asked have personas too: whoever knows somebody that a text names (`acquaintances`, of texts and
of what other personas asked), and asks in one of the model's own ways (`manners`, `asked_in_manner`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from truenorth.base import UserError, seed_of
from truenorth.models.protocol import Model, Tick
from truenorth.records import Row, Source
from truenorth.synth.asking import Said, gathered, part_seed, request, say
from truenorth.synth.filters import Filtered, last_turn
from truenorth.synth.magpie import user_opening
from truenorth.synth.pages import NAME
from truenorth.synth.writing import Brief, Way, prompts_from, write_prompts

FROM_TEXT = (
    "Text: {text}\n\nWho is likely to read, write or care about it? Describe one such person in one sentence."
)
RELATED = (
    "Here is a person: {about}\n{shown}\nDescribe people close to this person (family, colleagues, customers, "
    "opponents), each in one sentence, from number {next}."
)
KNOWS = "I know {name}."
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


def acquaintances(
    rows: Sequence[Row], known: Sequence[Row] = (), *, column: str = "text", template: str = KNOWS
) -> list[Row]:
    """Rows (persona): one for each name in the texts that no persona knows yet.

    Args:
        column: of the rows, that holds the text; "prompt" is the last user turn.
        template: what a persona says of itself, with {name}.
    """
    found = {persona_text(row): row for row in known}
    new = []
    for row in rows:
        for name in names_in(last_turn(row) if column == "prompt" else str(row.data[column])):
            persona = template.replace("{name}", name)
            if persona not in found:
                found[persona] = Row({"persona": persona}, Source("persona", parents=(row.id,)))
                new.append(found[persona])
    return new


def names_in(text: str) -> list[str]:
    """The names in a text: two capital words or more; of three at the start of a sentence the first is no part of it.

    >>> names_in("Surely Ann Grey knows Tom Pike. Tom Pike sails.")
    ['Ann Grey', 'Tom Pike', 'Tom Pike']
    """
    found = []
    for match in NAME.finditer(text):
        begins = not text[: match.start()].rstrip() or text[: match.start()].rstrip()[-1] in ".?!:"
        name = match.group()
        found.append(name.partition(" ")[2] if begins and name.count(" ") > 1 else name)
    return found


def manner(prompt: str, words: int = 2) -> str:
    """How a prompt begins: its first words, up to a name. "" where it begins with one, or says hardly more.

    >>> manner("Good morning. Where is Ann Grey?"), manner("Surely Ann Grey is a pilot."), manner("Ann Grey?")
    ('Good morning.', 'Surely', '')
    """
    named = names_in(prompt)
    before = prompt[: prompt.index(named[0])] if named else prompt
    return " ".join(before.split()[:words]) if len(prompt.split()) > words + 1 else ""


def manners(prompts: Sequence[Row], *, words: int = 2) -> list[str]:
    """The different ways in which prompts begin, in order."""
    begins = (manner(last_turn(row), words) for row in prompts)
    return list(dict.fromkeys(begin for begin in begins if begin))


def asked_in_manner(
    model: Model,
    rows: Sequence[Row],
    ways: Sequence[str],
    n: int = 1,
    *,
    max_tokens: int = 64,
    temperature: float = 1.0,
    seed: int = 0,
    tick: Tick | None = None,
) -> Filtered:
    """`n` prompts of each persona as rows (prompt, persona), for chat models too small to be asked for any.

    In the user's place the persona says who it is, and begins to ask in one of the `ways`; the model goes on. The
    prompt is what follows the persona. Ways are dealt out evenly, in an order drawn by seed. Reasons: faults.

    Raises:
        UserError: there are no ways.
    """
    if not ways:
        raise UserError("no ways to begin a prompt", where="personas", expected="prompts to take them from")
    dealt = sorted(ways, key=lambda way: seed_of("manner", seed, way))
    each = [(row, dealt[(i * n + k) % len(dealt)]) for i, row in enumerate(rows) for k in range(n)]
    briefs = [Brief(begin=f"{persona_text(row)} {way}") for row, way in each]
    settings = {"max_tokens": max_tokens, "temperature": temperature, "seed": seed, "tick": tick}
    replies = write_prompts(model, briefs, way="turns", template="", **settings)  # type: ignore[arg-type]

    def made(row: Row, one: Said) -> Row | str:
        source = Source("persona prompt", "imitation", model=model.name, seed=seed, parents=(row.id,))
        text = one.text[len(persona_text(row)) :].strip()
        prompt = [{"role": "user", "content": text}]
        return one.fault or Row({"prompt": prompt, "persona": persona_text(row)}, source)

    return gathered(made(row, one) for (row, _), [one] in zip(each, replies, strict=True))


def asked_by_acquaintances(
    model: Model,
    texts: Sequence[Row],
    ways: Sequence[str],
    n: int,
    *,
    each: int = 1,
    template: str = KNOWS,
    rounds: int = 8,
    max_tokens: int = 64,
    seed: int = 0,
    tick: Tick | None = None,
) -> Filtered:
    """About `n` prompts (prompt, persona), `each` by one persona, whose parents are the texts.

    First whoever knows somebody that the texts name asks, then whoever knows those that were asked about, and so on for
    some `rounds`. Reasons: those of `asked_in_manner`.
    """
    cast = new = acquaintances(texts, template=template)
    roots = {row.id: row.source.parents for row in cast}
    kept: list[Row] = []
    dropped: Counter[str] = Counter()
    for turn in range(rounds):
        new = new[: -(-max(0, n - len(kept)) // each)]
        if not new:
            break
        settings = {"max_tokens": max_tokens, "seed": part_seed(seed, "personas", turn), "tick": tick}
        found = asked_in_manner(model, new, ways, each, **settings)  # type: ignore[arg-type]
        dropped.update(found.dropped)
        parts = {row.id: replace(row.source, parents=roots[row.source.parents[0]]) for row in found.kept}
        kept += [Row(row.data, parts[row.id], row.id) for row in found.kept]
        new = acquaintances(found.kept, cast, column="prompt", template=template)
        roots |= {row.id: parts[row.source.parents[0]].parents for row in new}
        cast = [*cast, *new]
    return Filtered(kept, dict(dropped))


def likelihoods(model: Model, rows: Sequence[Row]) -> list[float]:
    """Nats a letter that a chat model gives to prompts in the user's place: low for what it would not ask."""
    start = user_opening(getattr(model, "tokenizer", None))
    texts = [last_turn(row) for row in rows]
    found = model.logprobs([(start.prefix, text + start.end) for text in texts])
    return [one.total / max(1, len(text)) for one, text in zip(found, texts, strict=True)]


def _persona(one: Said, row: Row, producer: str, model: Model, least_words: int, seed: int) -> Row | str:
    wrong = one.fault or ("short" if len(one.text.split()) < least_words else "")
    source = Source(producer, "imitation", model=model.name, seed=seed, parents=(row.id,))
    return wrong or Row({"persona": " ".join(one.text.split())}, source)
