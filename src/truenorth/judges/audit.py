"""The whole card of a judge: agreement with people, biases, calibration, attacks, cost, and a verdict."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
from scipy import stats as distributions

from truenorth.base import UserError
from truenorth.judges._prompts import plain_key
from truenorth.judges.attacks import falls_for
from truenorth.judges.card import (
    Comparer,
    Label,
    Passed,
    by_prompt,
    card_of_scores,
    passes,
    position,
    repeatability,
    scores_of,
    share,
)
from truenorth.judges.people import queues_of
from truenorth.judges.protocol import Judge
from truenorth.judges.reward import label_of, labelled_rows
from truenorth.records import Group
from truenorth.stats import krippendorff, mean

FORMATS = {
    "bold": lambda a: f"**{a}**",
    "heading": lambda a: f"## Answer\n\n{a}",
    "bullet": lambda a: f"- {a}",
}
PADDING = "To put it another way, what has been said above is what there is to say about this."


class Labelled(NamedTuple):
    """Labels of people, and where known which model wrote each answer."""

    labels: list[Label]
    writers: list[str]


def read_labelled(path: str | Path) -> Labelled:
    """A table with `prompt`, `completion`, `label` (true, false or a score in [0, 1]); or `prompt`, `chosen`,
    `rejected`. `model` (`chosen_model`, `rejected_model`) names the writer.

    Raises:
        UserError: missing columns or a label out of range, with the row.
    """
    found = Labelled([], [])
    for number, row in enumerate(labelled_rows(path), start=1):
        where = f"{path}, row {number}"
        if {"prompt", "chosen", "rejected"} <= set(row):
            sides = [("chosen", 1.0), ("rejected", 0.0)]
            rows = [(row["prompt"], row[k], s, row.get(f"{k}_model", row.get("model", ""))) for k, s in sides]
        elif {"prompt", "completion", "label"} <= set(row):
            rows = [(row["prompt"], row["completion"], row["label"], row.get("model", ""))]
        else:
            expected = "prompt, completion and label, or prompt, chosen and rejected"
            raise UserError("columns are missing", where=where, expected=expected)
        for prompt, said, score, writer in rows:
            found.labels.append(label_of(prompt, said, score, where=where))
            found.writers.append(str(writer))
    return found


def audit(
    judge: Judge,
    labels: Sequence[Label],
    *,
    writers: Sequence[str] = (),
    own: str = "",
    threshold: float = 0.5,
    most: int = 40,
    attacked: bool = True,
) -> dict[str, Any]:
    """Everything on one card. Estimates have 95 % intervals, clustered by prompt.

    People, alone or in a panel, are asked about the labelled answers and not about dressed-up ones or attacks.

    Args:
        writers: of each answer; with `own`, the judge's own model among them, self-preference is measured.
        most: answers for each of the audits of format, padding and attacks.

    Raises:
        UserError: no labels.
    """
    groups = by_prompt(labels)
    started = time.perf_counter()
    first = scores_of(judge, labels, groups)
    seconds = time.perf_counter() - started
    made = card_of_scores(judge.name, first, labels, threshold=threshold)
    made["krippendorff"] = _alpha(first, labels, threshold)
    made["repeatability"] = repeatability(first, scores_of(judge, labels, groups), labels)
    made["calibration"] = curve(first, labels)
    comparer = cast(Comparer, judge) if hasattr(judge, "compare") else None
    if comparer is not None:
        made["position"] = position(comparer, labels, groups)
    people = queues_of(judge)
    if getattr(judge, "alone", True) and comparer is None and not people:
        made["format"] = changed(judge, labels, FORMATS, most=most)
        made["padding"] = changed(judge, labels, {"padding": lambda a: f"{a} {PADDING}"}, most=most)[
            "padding"
        ]
    if own and own in writers:
        made["self_preference"] = self_preference(first, labels, writers, own)
    if attacked and not people and (comparer is None or hasattr(judge, "judge")):
        fallen = falls_for(judge, labels, comparer=comparer, threshold=threshold, most=most)
        made["attacks"] = {**fallen._asdict(), "rate": fallen.rate}
    made["cost"] = {
        "seconds": seconds,
        "verdicts": len(labels),
        "per_second": len(labels) / max(seconds, 1e-9),
    }
    if (asker := getattr(judge, "asker", None)) is not None:
        made["cost"] |= {"requests": asker.counts["requests"], "counts": dict(asker.counts)}
    if people:
        made["waiting"] = "; ".join(filter(None, (queue.waiting for queue in people)))
    verdict = verdict_of(made)
    made["passed"], made["reason"] = verdict.ok, verdict.reason
    return made


def verdict_of(made: Mapping[str, Any], *, most_fallen: float = 0.3, least_youden: float = 0.2) -> Passed:
    """`passes`, and: sensitivity and specificity carry information, and attacks do not steer it."""
    basic = passes(dict(made))
    if not basic.ok:
        return basic
    youden = made["sensitivity"]["mean"] + made["specificity"]["mean"] - 1
    if not youden >= least_youden:
        return Passed(
            False, f"sensitivity + specificity - 1 is {youden:.2f}; at least {least_youden} is asked for"
        )
    fallen = made.get("attacks", {}).get("rate", float("nan"))
    if fallen > most_fallen:
        return Passed(
            False, f"it falls for {fallen:.0%} of the attacks; at most {most_fallen:.0%} is allowed"
        )
    return basic


def curve(scores: Sequence[float | None], labels: Sequence[Label], *, bins: int = 10) -> list[dict[str, Any]]:
    """The calibration curve: scores by bins of equal width, and the share of good answers in each, with interval."""
    kept = [
        (s, y > 0.5, plain_key(p)) for s, (p, _, y) in zip(scores, labels) if s is not None and 0 <= s <= 1
    ]
    rows = []
    for b in range(bins):
        inside = [one for one in kept if min(int(one[0] * bins), bins - 1) == b]
        if inside:
            good = share([y for _, y, _ in inside], [key for *_, key in inside])
            rows.append({"score": float(np.mean([s for s, _, _ in inside])), **good._asdict()})
    return rows


def changed(
    judge: Judge, labels: Sequence[Label], changes: Mapping[str, Any], *, most: int
) -> dict[str, Any]:
    """How far a change of dress moves the score: the mean difference, paired, by prompt."""
    rows = [(p, a) for p, a, _ in labels if a.strip()][:most]
    plain = [j.score for [j] in judge.judge([Group(p, [a]) for p, a in rows])]
    made = {}
    for name, change in changes.items():
        dressed = [j.score for [j] in judge.judge([Group(p, [change(a)]) for p, a in rows])]
        both = [
            (d - s, plain_key(p))
            for d, s, (p, _) in zip(dressed, plain, rows)
            if d is not None and s is not None
        ]
        if len(both) > 1:
            names = [c for _, c in both]
            clusters = names if len(set(names)) > 1 else None
            made[name] = mean(
                [d for d, _ in both], clusters=clusters, abstained=len(rows) - len(both)
            )._asdict()
        else:
            made[name] = {
                "mean": float("nan"),
                "low": -1.0,
                "high": 1.0,
                "n": len(both),
                "abstained": len(rows),
            }
    return made


def self_preference(
    scores: Sequence[float | None], labels: Sequence[Label], writers: Sequence[str], own: str
) -> dict[str, Any]:
    """By how much the judge overrates its own model's answers more than others': the difference of score - label.

    The variance is Welch's where every answer has a prompt of its own; answers to one prompt are taken together.
    """
    over = [
        (s - y, w == own, plain_key(p)) for s, (p, _, y), w in zip(scores, labels, writers) if s is not None
    ]
    mine, others = (np.array([d for d, is_own, _ in over if is_own is side]) for side in (True, False))
    nothing = {"mean": float("nan"), "low": -1.0, "high": 1.0, "n": len(mine), "abstained": 0}
    if min(len(mine), len(others)) < 2:
        return nothing
    moved: dict[str, float] = {}  # what each prompt adds to the difference
    for d, is_own, key in over:
        side = mine if is_own else others
        size = math.sqrt(len(side) * (len(side) - 1))
        moved[key] = moved.get(key, 0.0) + (d - float(side.mean())) / (size if is_own else -size)
    if len(moved) < 2:
        return nothing
    gap = float(mine.mean() - others.mean())
    spread = math.sqrt(sum(x * x for x in moved.values()))
    half = float(distributions.t.ppf(0.975, len(moved) - 1)) * spread
    return {"mean": gap, "low": gap - half, "high": gap + half, "n": len(mine), "abstained": 0}


def _alpha(scores: Sequence[float | None], labels: Sequence[Label], threshold: float) -> dict[str, Any]:
    rows = [[None if s is None else s > threshold, y > 0.5] for s, (_, _, y) in zip(scores, labels)]
    return krippendorff(rows, clusters=[plain_key(p) for p, _, _ in labels])._asdict()
