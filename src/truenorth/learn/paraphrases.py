"""Robustness to wording: requests with their paraphrases, as tasks of contrastive instruction tuning.

    rows = [{"prompt": ..., "paraphrase": ..., "completion": ...}, ...]
    fit(model, coin_tasks(model, rows), steps=200, lr=1e-4)

`synth.rephrase` has a model write the paraphrases.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from truenorth.base import UserError
from truenorth.learn.coupling import load_objective
from truenorth.learn.types import Example, Task

COLUMNS = ("prompt", "paraphrase", "completion")


def coin_tasks(
    model: Any,
    rows: Sequence[Mapping[str, Any]],
    *,
    weight: float = 1.0,
    temperature: float = 0.05,
    batch: int = 16,
) -> list[Task]:
    """Two tasks: imitation of the answer after either wording, and `coin` on the two.

    Args:
        model: a LocalModel, for its tokenizer and chat template.
        rows: `prompt`, `paraphrase` and `completion`; those that share the instruction stand side by side.
        weight: of the contrast beside the imitation.
        batch: rows of a step; each is a negative to all others.

    Raises:
        UserError: naming the rows that lack a column, or whose two wordings are the same.
    """
    texts = [_encoded(model, row, i) for i, row in enumerate(rows)]
    answers = [Example(prompt, (completion,)) for both in texts for prompt, completion in both]
    pairs = [branching(*(tuple(p) + tuple(c) for p, c in both), row=i) for i, both in enumerate(texts)]
    contrast = partial(load_objective("coin"), temperature=temperature)
    return [
        Task("imitation", answers, "sft", batch=2 * batch),
        Task("contrast", pairs, contrast, weight=weight, batch=batch),
    ]


def _encoded(model: Any, row: Mapping[str, Any], number: int) -> list[Any]:
    missing = [name for name in COLUMNS if not row.get(name)]
    if missing:
        raise UserError(f"row {number} has no {missing[0]}", where="coin", expected=", ".join(COLUMNS))
    return model.encode_pairs([(row[name], row["completion"]) for name in COLUMNS[:2]])


def branching(first: tuple[int, ...], second: tuple[int, ...], *, row: int) -> Example:
    """Two texts as what they both begin with and how each goes on; their states are read at the last token."""
    if first == second:
        raise UserError(f"both wordings of row {row} are the same", where="coin", fix="drop the row")
    most = min(len(first), len(second)) - 1
    shared = next((i for i in range(most) if first[i] != second[i]), most)
    if not shared:
        what = f"the texts of row {row} have no first token in common"
        raise UserError(
            what, where="coin", fix="give prompts as messages, or use a model that begins with BOS"
        )
    return Example(first[:shared], (first[shared:], second[shared:]))
