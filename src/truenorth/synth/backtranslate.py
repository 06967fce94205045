"""Instruction back-translation: a text that people wrote is the answer, and a model writes what it answers.

Source: Li et al. 2023, "Self-alignment with instruction backtranslation" (arXiv:2308.06259): self-augmentation
(section 2.2) and self-curation (2.3), which is `approved(model, rows, template=ANSWER, options=MARKS, at_least=4.5)`.
With a model trained backwards (on `backward` rows) the template is the text alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from truenorth.judges.logprob import fill
from truenorth.models.protocol import Model, Tick
from truenorth.records import Row, Source
from truenorth.synth.answers import answer_text, as_answer
from truenorth.synth.asking import Said, gathered, request, say
from truenorth.synth.dedupe import normalise
from truenorth.synth.filters import Filtered, last_turn, like
from truenorth.synth.retrieve import Index
from truenorth.synth.writing import Brief, write_prompts

TEMPLATE = (
    "Text: {text}\n\nThe text above is an assistant's answer. Write the user's message that it answers, and nothing "
    "else."
)


def backtranslate(
    model: Model,
    rows: Sequence[Row],
    *,
    n: int = 1,
    column: str = "text",
    template: str = TEMPLATE,
    begin: str = "",
    max_tokens: int = 64,
    temperature: float = 1.0,
    seed: int = 0,
    tick: Tick | None = None,
) -> Filtered:
    """Rows (prompt, completion) as chats: the completion is the row's text, the prompt what the model thinks was asked.

    Other columns of the text's row are kept. Reasons: faults, "echo" (the prompt says the text itself).

    Args:
        column: of the rows, that holds the text.
        begin: with {text}: a chat model writes in the user's place, from these words on, and what it adds is the
            prompt. For models too small to be asked; the template is not used then.
    """
    settings = {"max_tokens": max_tokens, "temperature": temperature, "seed": seed, "tick": tick}
    if begin:
        found = _after(model, [fill(begin, {"text": str(row.data[column])}) for row in rows], n, settings)
    else:
        asked = [request(template, {"text": str(row.data[column])}) for row in rows]
        found = say(model, asked, n, **settings)  # type: ignore[arg-type]

    def made(row: Row, one: Said) -> Row | str:
        text = str(row.data[column]).strip()
        if one.fault or normalise(text) in normalise(one.text):
            return one.fault or "echo"
        source = Source("back-translation", "imitation", model=model.name, seed=seed, parents=(row.id,))
        more = {key: value for key, value in row.data.items() if key != column}
        data = {
            "prompt": [{"role": "user", "content": one.text.strip('"')}],
            "completion": [{"role": "assistant", "content": text}],
        }
        return Row({**more, **data}, source)

    return gathered(made(row, one) for row, group in zip(rows, found, strict=True) for one in group)


def _after(model: Model, begins: Sequence[str], n: int, settings: dict[str, Any]) -> list[list[Said]]:
    """What the model goes on with in the user's place, without what it went on from."""
    briefs = [Brief(begin=begin) for begin in begins]
    found = write_prompts(model, briefs, n, way="turns", template="", **settings)
    return [
        [_rest(one, len(begin.lstrip())) for one in group] for begin, group in zip(begins, found, strict=True)
    ]


def _rest(one: Said, begin: int) -> Said:
    rest = one.text[begin:].strip()
    return one._replace(text=rest, fault=one.fault or ("" if rest else "blank"))


def round_trip(rows: Sequence[Row], texts: Sequence[str], *, k: int = 1) -> Filtered:
    """Rows whose prompt finds the text that it was made from among the `k` best of all texts. Reason: "astray".

    Source: Lewis et al. 2021, PAQ (arXiv:2102.07033): a question whose answer is not found again was a bad one.
    """
    index = Index.of(texts)

    def found(row: Row) -> bool:
        near = index.search(last_turn(row), k)
        return answer_text(row.data["completion"]) in {texts[i].strip() for i, _ in near}

    return gathered(row if found(row) else "astray" for row in rows)


def backward(rows: Sequence[Row]) -> list[Row]:
    """Rows (prompt, completion) turned round, to train the way back: the answer asks, the last user turn answers."""

    def turned(row: Row) -> Row:
        prompt = like(row, answer_text(row.data["completion"]))
        data = {"prompt": prompt, "completion": as_answer(prompt, last_turn(row))}
        return Row(data, Source("backward", "imitation", parents=(row.id,)))

    return [turned(row) for row in rows]
