"""An objective's numbers on rows that training does not see, before and after, with intervals and paired tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from truenorth.learn.columns import cells, tensors
from truenorth.learn.coupling import load_objective, needs, shaped
from truenorth.learn.scoring import token_logps
from truenorth.learn.types import Example
from truenorth.models.local import LocalModel
from truenorth.recipes.train_tasks import ROUNDS
from truenorth.records import Row, Source
from truenorth.stats import Estimate, Paired, mean, paired, ratio

BLOCK = 64  # examples at once

Logps = list[list[np.ndarray]]  # per example, per completion: (T,) nats


class Change(NamedTuple):
    """One number before and after training, and the difference on the same rows."""

    name: str
    before: Estimate
    after: Estimate
    difference: Paired


def evaluable(objective: Any) -> bool:
    """Can this objective's loss be taken of log-probabilities alone?"""
    need = needs(load_objective(objective))
    drawn = objective == ROUNDS  # its loss is of answers that were drawn
    return need.coupling not in ("distribution", "token_score", "state_pair") and not need.kl and not drawn


def evaluated(
    model: Any, examples: Sequence[Example], objective: Any, reference: Logps | None, *, batch: int
) -> list[dict[str, float]]:
    """For each example its numbers under TRL's names: `loss`, `logps/...`, `rewards/...`, and `tokens`.

    Args:
        model: has the module with its current weights.
        reference: what the reference says of the same examples; None where none is needed.
        batch: examples that objectives which couple a batch see together.
    """
    function = load_objective(objective)
    need = needs(function)
    if need.coupling == "score_pair":
        return _compared(model, examples, function, need)
    policy = token_logps(model, examples)
    size = batch if need.coupling == "batch" else BLOCK
    found: list[dict[str, float]] = []
    for start in range(0, len(examples), size):
        at = slice(start, start + size)
        losses = _losses(function, need, examples[at], policy[at], reference[at] if reference else None)
        found += [
            {"loss": float(loss), **_numbers(need, e, p, r)}
            for loss, e, p, r in zip(
                losses, examples[at], policy[at], reference[at] if reference else [None] * len(losses)
            )
        ]
    return found


def _compared(model: Any, examples: Sequence[Example], function: Any, need: Any) -> list[dict[str, float]]:
    """A reward model's loss on each pair, whether it agrees, and by how much."""
    from truenorth.learn.coupling import shaped_scores
    from truenorth.models.score_head import open_scores

    forward = open_scores(model.module)
    found = []
    for start in range(0, len(examples), BLOCK):
        block = examples[start : start + BLOCK]
        with torch.no_grad():
            value_BK = forward.scores(block)
            columns = tensors(need.coupling, cells(need, block), slice(None), value_BK.device)
            losses = function(policy=shaped_scores(need.coupling, value_BK), **columns).tolist()
        score_B = value_BK.mean(1)
        margins = (score_B[0::2] - score_B[1::2]).tolist()
        found += [{"loss": x, "accuracy": float(m > 0), "margin": m} for x, m in zip(losses, margins)]
    return found


def _losses(
    function: Any, need: Any, examples: Sequence[Example], policy: Logps, reference: Logps | None
) -> list[float]:
    lengths = [len(c) for e in examples for c in e.completions]
    counts = [len(e.completions) for e in examples]

    def given(logps: Logps) -> Any:
        flat = torch.from_numpy(np.concatenate([c for e in logps for c in e]))
        return shaped(need.coupling, flat, lengths, counts)

    arguments: dict[str, Any] = {"policy": given(policy)}
    if need.reference and reference is not None:
        arguments["reference"] = given(reference)
    if need.columns:
        arguments |= tensors(need.coupling, cells(need, examples), slice(None), torch.device("cpu"))
    with torch.no_grad():
        losses = function(**arguments).tolist()
    if need.coupling != "answer":
        return losses
    by_answer, at = [], 0  # an answer objective has a number for each completion
    for count in counts:
        by_answer.append(sum(losses[at : at + count]))
        at += count
    return by_answer


def _numbers(
    need: Any, example: Example, policy: Sequence[np.ndarray], reference: Sequence[np.ndarray] | None
) -> dict[str, float]:
    totals = [float(c.sum()) for c in policy]
    found: dict[str, float] = {"tokens": float(sum(map(len, example.completions)))}
    pairs = need.coupling == "pair" or (need.coupling == "batch" and len(totals) == 2 and not need.columns)
    label = example.columns.get("label")
    if not pairs:
        found["logps"] = totals[0]
    else:
        found |= {"logps/chosen": totals[0], "logps/rejected": totals[1]}
    beta = need.settings.get("beta", 1.0)
    known = [float(c.sum()) for c in reference] if reference is not None else None
    if known is not None and label is not None:
        side = "chosen" if float(label) > 0 else "rejected"
        found[f"rewards/{side}"] = beta * (totals[0] - known[0])
    if pairs:
        chosen, rejected = totals if known is None else (beta * (t - k) for t, k in zip(totals, known))
        if known is not None:
            found |= {
                "rewards/chosen": chosen,
                "rewards/rejected": rejected,
                "rewards/margins": chosen - rejected,
            }
        found["rewards/accuracies"] = float(chosen > rejected)
    return found


def as_rows(numbers: Sequence[Mapping[str, float]], who: str) -> list[Row]:
    """Numbers of evaluated examples as rows of a run."""
    return [Row({"item": i, **one}, Source(producer="evaluate", model=who)) for i, one in enumerate(numbers)]


def estimates(
    rows: Sequence[Mapping[str, float]], clusters: Sequence[str], *, per_token: bool
) -> dict[str, Estimate]:
    """Each number with its interval, by prompts. `loss` is per token where the objective is averaged so."""
    found = {}
    for name in _names(rows):
        at = [i for i, row in enumerate(rows) if name in row]
        values, whose = [rows[i][name] for i in at], [clusters[i] for i in at]
        if name == "loss" and per_token:
            found[name] = ratio(values, [rows[i]["tokens"] for i in at], clusters=whose)
        else:
            found[name] = mean(values, clusters=whose)
    return found


def changes(
    before: Sequence[Mapping[str, float]],
    after: Sequence[Mapping[str, float]],
    clusters: Sequence[str],
    *,
    per_token: bool,
) -> list[Change]:
    """Every number before and after, paired row by row and clustered by prompt."""
    first, last = (estimates(rows, clusters, per_token=per_token) for rows in (before, after))
    found = []
    for name in first:
        at = [i for i, row in enumerate(before) if name in row]
        old, new = ([rows[i][name] for i in at] for rows in (before, after))
        whose = [clusters[i] for i in at]
        difference = paired(old, new, clusters=whose if len(set(whose)) < len(whose) else None)
        if name == "loss" and per_token:
            gap = ratio([b - a for a, b in zip(old, new)], [before[i]["tokens"] for i in at], clusters=whose)
            difference = difference._replace(difference=gap.mean, low=gap.low, high=gap.high)
        found.append(Change(name, first[name], last[name], difference))
    return found


def _names(rows: Sequence[Mapping[str, float]]) -> list[str]:
    return [n for n in dict.fromkeys(name for row in rows for name in row) if n not in ("tokens", "item")]


def flat(found: Mapping[str, Estimate]) -> dict[str, float]:
    """For metrics.jsonl: `eval_loss`, `eval_loss/low`, `eval_loss/high`, ..."""
    numbers: dict[str, float] = {}
    for name, e in found.items():
        numbers |= {f"eval_{name}": e.mean, f"eval_{name}/low": e.low, f"eval_{name}/high": e.high}
    return {k: round(v, 6) for k, v in numbers.items() if np.isfinite(v)}


def reference_of(model: LocalModel, examples: Sequence[Example], needed: bool) -> Logps | None:
    """What the reference says of the examples, where the objective asks for it."""
    return token_logps(model, examples) if needed and examples else None
