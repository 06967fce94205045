"""Labels as rows of data, each with the person and the answers it came from: what training and judges read.

`labels` has the shape that `truenorth judge card --labels` and `truenorth align --labels` read; `pairs` and
`edits` are preferences; `rankings` and `votes` are what `stats.ranked_pairs` and `stats.bradley_terry` take.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations
from typing import Any, NamedTuple

from truenorth.records.labels import SCALE, Annotations, Kind, Label, Task
from truenorth.records.types import Row, Source


class Vote(NamedTuple):
    """One pair of answers, as one ranking has it. `outcome`: 1 the first is better, 0 the second, 0.5 a tie."""

    first: str
    second: str
    outcome: float


def labels(found: Annotations) -> list[Row]:
    """TRL's unpaired shape: prompt, completion, label in [0, 1] (approved, rated, or ranked above others).

    A rating is spread evenly over [0, 1]. A ranking gives each answer the share of the others that it is above,
    a tie being half; answers in the very middle say neither good nor bad and are left out.
    """
    return [row for kind, row in valued(found) if kind != "rank" or row.data["label"] != 0.5]


def valued(found: Annotations) -> list[tuple[Kind, Row]]:
    """What `labels` are drawn from, each with its kind: the very middle of a ranking too, which counts in a mean."""
    rows: list[tuple[Kind, Row]] = []
    for label in found.labels:
        if label.kind == "approve":
            rows.append((label.kind, _one(found, label, label.answer, {"label": label.value})))
        elif label.kind == "rate":
            share = (label.value - 1) / (SCALE - 1)
            rows.append(
                (label.kind, _one(found, label, label.answer, {"label": share, "rating": label.value}))
            )
        elif label.kind == "rank":
            rows += [(label.kind, _one(found, label, a, {"label": s})) for a, s in standing(label).items()]
    return rows


def pairs(found: Annotations) -> list[Row]:
    """Preferences: prompt, chosen, rejected, of every pair of answers that a ranking tells apart."""
    rows = []
    for label, vote in _votes(found):
        if vote.outcome != 0.5:
            better, worse = (vote.first, vote.second)[:: 1 if vote.outcome == 1 else -1]
            rows.append(_pair(found, label, chosen=better, rejected=worse))
    return rows


def edits(found: Annotations) -> list[Row]:
    """Preferences of what a person wrote over the answer that they mended."""
    rows = []
    for label in found.labels:
        if label.kind == "edit":
            was = found.answers[label.answer]
            texts = {"chosen": label.value, "rejected": was.data["completion"]}
            data = {"prompt": _prompt(found, label), **texts, "rejected_model": was.source.model}
            rows.append(_row(label, data, (label.answer,)))
    return rows


def flags(found: Annotations) -> list[Row]:
    """Answers that a person flagged, with the reason."""
    return [_one(found, x, x.answer, {"flag": x.value}) for x in found.labels if x.kind == "flag"]


def rankings(found: Annotations) -> list[Row]:
    """One row a ranking: `completions`, and `ranking`, tiers of places among them (0 the first), best first."""
    rows = []
    for label in found.labels:
        if label.kind == "rank":
            ids = found.tasks[label.task].answers
            answers = [found.answers[a] for a in ids]
            data = {
                "prompt": _prompt(found, label),
                "completions": [row.data["completion"] for row in answers],
                "ranking": [[ids.index(a) for a in tier] for tier in label.value],
                "models": [row.source.model for row in answers],
                "task": label.task,
            }
            rows.append(_row(label, data, ids))
    return rows


def votes(found: Annotations) -> list[Row]:
    """One row a pair of a ranking: `first`, `second` (models), `outcome` (1, 0, or 0.5), `task` (to cluster by)."""
    rows = []
    for label, vote in _votes(found):
        first, second = (found.answers[a] for a in vote[:2])
        data = {
            "task": label.task,
            "first": first.source.model,
            "second": second.source.model,
            "outcome": vote.outcome,
        }
        rows.append(_row(label, data, vote[:2]))
    return rows


FORMS: dict[str, Callable[[Annotations], list[Row]]] = {
    form.__name__: form for form in (labels, pairs, edits, flags, rankings, votes)
}


def all_rows(found: Annotations) -> list[Row]:
    """The rows of every form, for `truenorth why`."""
    return [row for form in FORMS.values() for row in form(found)]


def ballot(label: Label) -> list[Vote]:
    """The pairs of one ranking, in the order of their ids, so that they do not depend on who is above whom.

    >>> [tuple(vote) for vote in ballot(Label("ann", "t", "rank", [["b"], ["a", "c"]]))]
    [('a', 'b', 0), ('a', 'c', 0.5), ('b', 'c', 1)]
    """
    tier = {answer: i for i, tied in enumerate(label.value) for answer in tied}
    return [
        Vote(a, b, 0.5 if tier[a] == tier[b] else int(tier[a] < tier[b]))
        for a, b in combinations(sorted(tier), 2)
    ]


def standing(label: Label) -> dict[str, float]:
    """Each answer's share of the others that it is ranked above; a tie counts half.

    >>> standing(Label("ann", "t", "rank", [["b"], ["a", "c"]]))
    {'b': 1.0, 'a': 0.25, 'c': 0.25}
    """
    above = {answer: 0.0 for tier in label.value for answer in tier}
    for vote in ballot(label):
        above[vote.first] += vote.outcome
        above[vote.second] += 1 - vote.outcome
    return {answer: won / (len(above) - 1) for answer, won in above.items()}


def _votes(found: Annotations) -> Iterator[tuple[Label, Vote]]:
    return ((label, vote) for label in found.labels if label.kind == "rank" for vote in ballot(label))


def _prompt(found: Annotations, label: Label) -> Any:
    task: Task = found.tasks[label.task]
    return task.prompt


def _one(found: Annotations, label: Label, answer: str, more: dict[str, Any]) -> Row:
    row = found.answers[answer]
    data = {"prompt": _prompt(found, label), "completion": row.data["completion"], **more}
    return _row(label, data | {"model": row.source.model}, (answer,))


def _pair(found: Annotations, label: Label, **sides: str) -> Row:
    rows = {side: found.answers[answer] for side, answer in sides.items()}
    data = {"prompt": _prompt(found, label), **{side: row.data["completion"] for side, row in rows.items()}}
    data |= {f"{side}_model": row.source.model for side, row in rows.items()}
    return _row(label, data, tuple(sides.values()))


def _row(label: Label, data: dict[str, Any], parents: tuple[str, ...]) -> Row:
    """The label's row. What is not known (no principle, no model) is left out, not written as empty."""
    told = {"principle": label.principle, "annotator": label.annotator}
    kept = {k: v for k, v in (data | told).items() if v != "" or k == "completion"}
    how = f"{label.kind} {label.value} of {SCALE}" if label.kind == "rate" else label.kind
    source = Source(
        f"human:{label.annotator}",
        family="people",
        principle=label.principle,
        constitution=label.constitution,
        parents=parents,
        note=", ".join(filter(None, [how, label.made, label.note])),
    )
    return Row(kept, source)
