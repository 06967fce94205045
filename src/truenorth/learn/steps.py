"""Process rewards: solutions in steps to examples and back, in TRL's `prompt`, `completions`, `labels`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch

from truenorth.base import UserError
from truenorth.learn.order import micro_batches
from truenorth.learn.types import Example
from truenorth.models.score_head import open_scores

Aggregate = Literal["product", "least", "last"]


def step_example(
    row: Mapping[str, Any], tokenizer: Any, *, separator: str = "\n", last_only: bool = False
) -> Example:
    """A solution in token ids; the label of each step stands at its last token, the separator's.

    Args:
        row: `prompt` (text), `completions` (the steps), `labels` (a verdict for each: true, false, a share in
            [0, 1], or None where nobody judged).
        last_only: keep the last step's label alone: an outcome reward.

    Raises:
        UserError: labels and steps do not match, or an empty step or prompt.
    """
    steps, labels = row["completions"], row["labels"]
    if len(steps) != len(labels) or not steps:
        raise UserError(f"{len(steps)} steps and {len(labels)} labels", where="step_example")

    def ids(text: str) -> list[int]:
        return list(tokenizer(text, add_special_tokens=False)["input_ids"])

    start = [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]
    completion: list[int] = []
    each: list[float | None] = []
    for k, (step, label) in enumerate(zip(steps, labels)):
        tokens = [*ids(step), *ids(separator)]
        if not tokens:
            raise UserError(f"step {k} has no tokens", where="step_example", fix="drop it")
        judged = label is not None and (not last_only or k == len(steps) - 1)
        completion += tokens
        each += [None] * (len(tokens) - 1) + [float(label) if judged else None]
    return Example([*start, *ids(row["prompt"])], [completion], columns={"labels": [each]})


def step_scores(policy: Any, examples: Sequence[Example], *, micro_tokens: int = 4096) -> list[list[float]]:
    """For each example the probability that each labelled step is right.

    Args:
        policy: anything with a token classifier as `.module`, such as `open_reward(path, each_token=True)`.
    """
    forward = open_scores(policy.module)
    found: list[list[float]] = []
    for at in micro_batches(examples, micro_tokens):
        with torch.no_grad():
            value_TK = forward.scores(examples[at], each_token=True)
        logit_T = value_TK[:, 0] if value_TK.shape[1] == 1 else value_TK[:, 1] - value_TK[:, 0]
        right = iter(logit_T.sigmoid().tolist())
        for e in examples[at]:
            each = [(next(right), x) for labels in e.columns["labels"] for x in labels]
            found.append([p for p, x in each if x is not None and x == x])
    return found


def aggregate(steps: Sequence[float], how: Aggregate = "least") -> float:
    """One score for a solution from those of its steps.

    The product is never above the least, and that never above any step's.

    >>> aggregate([0.5, 0.8], "product")
    0.4
    """
    if how == "last":
        return steps[-1]
    return min(steps) if how == "least" else math.prod(steps)
