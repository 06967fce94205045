"""Instruction back-translation: a text that people wrote is the answer, and a model writes what it answers.

Source: Li et al. 2023, "Self-alignment with instruction backtranslation" (arXiv:2308.06259): self-augmentation
(section 2.2) and self-curation (2.3), which is `approved(model, rows, template=ANSWER, options=MARKS, at_least=4.5)`.
With a model trained backwards (on `backward` rows) the template is the text alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from truenorth.models.protocol import Model, Tick
from truenorth.records import Row, Source
from truenorth.synth.answers import answer_text, as_answer
from truenorth.synth.asking import Said, gathered, request, say
from truenorth.synth.dedupe import normalise
from truenorth.synth.filters import Filtered, last_turn, like

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
    max_tokens: int = 64,
    temperature: float = 1.0,
    seed: int = 0,
    tick: Tick | None = None,
) -> Filtered:
    """Rows (prompt, completion) as chats: the completion is the row's text, the prompt what the model thinks was asked.

    Reasons: faults, "echo" (the prompt says the text itself).

    Args:
        column: of the rows, that holds the text.
    """
    asked = [request(template, {"text": str(row.data[column])}) for row in rows]
    found = say(model, asked, n, max_tokens=max_tokens, temperature=temperature, seed=seed, tick=tick)

    def made(row: Row, one: Said) -> Row | str:
        text = str(row.data[column]).strip()
        if one.fault or normalise(text) in normalise(one.text):
            return one.fault or "echo"
        source = Source("back-translation", "imitation", model=model.name, seed=seed, parents=(row.id,))
        data = {
            "prompt": [{"role": "user", "content": one.text.strip('"')}],
            "completion": [{"role": "assistant", "content": text}],
        }
        return Row(data, source)

    return gathered(made(row, one) for row, group in zip(rows, found, strict=True) for one in group)


def backward(rows: Sequence[Row]) -> list[Row]:
    """Rows (prompt, completion) turned round, to train the way back: the answer asks, the last user turn answers."""

    def turned(row: Row) -> Row:
        prompt = like(row, answer_text(row.data["completion"]))
        data = {"prompt": prompt, "completion": as_answer(prompt, last_turn(row))}
        return Row(data, Source("backward", "imitation", parents=(row.id,)))

    return [turned(row) for row in rows]
