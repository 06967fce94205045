"""A model's yes or no, or its mark on a scale, on each row: which are worth keeping.

The filters of LAB (Sudalairaj et al. 2024: a question is scored 0 or 1, an answer 1 to 3), of instruction
back-translation (Li et al. 2023, arXiv:2308.06259, section 2.3: 1 to 5) and of Evol-Instruct (no information gain)
are all this question with another template. What got no verdict is dropped and counted, never taken for a no.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from truenorth.base import UserError
from truenorth.judges.ask import Asker, How
from truenorth.judges.logprob import dialogue
from truenorth.records import Row, Source
from truenorth.synth.answers import answer_text
from truenorth.synth.asking import gathered, request
from truenorth.synth.filters import Filtered, row_prompt

QUESTION = "Task: {prompt}\n\nIs this task clear, answerable and safe to answer? Reply with Yes or No."
ANSWER = (
    "Task: {prompt}\n\nAnswer: {answer}\n\nHow good is the answer? Reply with one number from 1 (it misses the task) "
    "to 5 (nothing could be better)."
)
YES: Mapping[str, float] = {"Yes": 1.0, "No": 0.0}
MARKS: Mapping[str, float] = {"1": 1.0, "2": 2.0, "3": 3.0, "4": 4.0, "5": 5.0}


def approved(
    model: Any,
    rows: Sequence[Row],
    *,
    template: str = QUESTION,
    options: Mapping[str, float] = YES,
    at_least: float = 0.5,
    column: str = "",
    how: How = "auto",
) -> Filtered:
    """Rows whose expected worth, over what the model answers, is `at_least` that. Reasons: "no verdict", "too low".

    Args:
        template: the question, with {prompt}, {answer} (of rows with a completion) and any text column of the rows.
        options: what the model may say, and what each is worth; for example `YES` or `MARKS`.
        column: where set, kept rows are new ones with their worth in this column, and the row they were as parent.
        how: see `Asker`.

    Raises:
        UserError: fewer than two options.
    """
    if len(options) < 2:
        raise UserError(f"options {list(options)}", where="approval", expected="two or more")
    asker = Asker(model, how)
    found = asker.ask([request(template, texts(row)) for row in rows], list(options)) if rows else []
    made: list[Row | str] = []
    for row, answer in zip(rows, found, strict=True):
        if answer.shares is None:
            made.append("no verdict")
            continue
        worth = sum(options[option] * share for option, share in answer.shares.items())
        if worth < at_least:
            made.append("too low")
        elif not column:
            made.append(row)
        else:
            source = Source("approve", judge=model.name, principle=row.source.principle, parents=(row.id,))
            made.append(Row({**row.data, column: worth}, source))
    return gathered(made)


def texts(row: Row) -> dict[str, str]:
    """What a template may name of a row: its text columns, {prompt} as a judge reads it, {answer}."""
    found = {name: value for name, value in row.data.items() if isinstance(value, str)}
    if "prompt" in row.data:
        found["prompt"] = dialogue(row_prompt(row))
    if "completion" in row.data:
        found["answer"] = answer_text(row.data["completion"])
    return found
