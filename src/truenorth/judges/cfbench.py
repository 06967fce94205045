"""CFBench's items, and its three metrics with intervals.

Source: Zhang et al., "CFBench" (2024); the rule of PSR is that of the published code. Ours differs where theirs
guesses: an unreadable verdict is left open and counted, instead of scored by a parser that drops zeros; nothing is
rounded.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

from truenorth.base import UserError, read_jsonl
from truenorth.judges._kinds import KINDS, NAMED, plain_count
from truenorth.records import Judgement, Prompt
from truenorth.stats import Estimate, mean

PRIORITY = {"主需": True, "次需": False, "primary": True, "secondary": False}
ENOUGH = Fraction(8, 10)  # of 1, half for the primary requirements; more than this satisfies
Verdict = bool | None


class Criterion(NamedTuple):
    """One constraint of a prompt.

    `kind` is of `KINDS`, "" if unknown; `check`, as in a constitution ({name: settings}), decides without a model.
    """

    text: str
    primary: bool = True
    kind: str = ""
    check: Mapping[str, Any] | None = None


class Item(NamedTuple):
    """A prompt, its constraints, an answer to compare with ("" if none), and the part of the data it is in."""

    prompt: Prompt
    criteria: tuple[Criterion, ...]
    reference: str = ""
    split: str = ""


def read_items(path: str | Path) -> list[Item]:
    """Items of CFBench's JSON (an array), or of a JSONL file with the same columns.

    A row has `prompt`, `criteria`, and may have `gold` and `split`. A criterion is CFBench's list (text, 主需 or
    次需, category, sub-category), or a mapping with `text` and any of `priority`, `kind` and `check`.

    Raises:
        UserError: a file or row that is not so, with its number.
    """
    if Path(path).suffix == ".jsonl":
        rows = list(read_jsonl(path))
    else:
        try:
            rows = json.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UserError(
                f"cannot read it ({error})", where=str(path), expected="JSON or .jsonl"
            ) from error
    if not isinstance(rows, list) or not rows:
        raise UserError("no array of rows", where=str(path), expected="[{prompt, criteria}, ...]")
    return [item_of(row, f"{path}, row {number}") for number, row in enumerate(rows, start=1)]


def item_of(row: Mapping[str, Any], where: str = "row") -> Item:
    """An item of a row.

    Raises:
        UserError: no prompt or no criteria.
    """
    if not isinstance(row, Mapping) or row.get("prompt") is None or not row.get("criteria"):
        raise UserError("no prompt or no criteria", where=where, expected="{prompt: ..., criteria: [...]}")
    made = [criterion_of(c, f"{where}, criterion {n}") for n, c in enumerate(row["criteria"], start=1)]
    return Item(row["prompt"], tuple(made), row.get("gold") or "", row.get("split") or "")


def criterion_of(given: Any, where: str = "criterion") -> Criterion:
    """Raises: UserError: no text, or a priority or kind that is unknown."""
    if isinstance(given, Mapping):
        if unknown := sorted(set(given) - {"text", "priority", "kind", "check"}):
            raise UserError(
                f"unknown setting {unknown[0]}", where=where, expected="text, priority, kind, check"
            )
        told = [given.get("text"), given.get("priority", "primary"), given.get("kind", "")]
    else:
        named = [*given, "", "", "", ""] if isinstance(given, list) else ["", "", "", ""]
        told = [named[0], named[1], NAMED.get(named[3], "")]
    text, priority, kind = told
    if not text or priority not in PRIORITY or (kind and kind not in KINDS):
        expected = "a text; primary or secondary; a kind of " + ", ".join(KINDS)
        raise UserError(f"criterion {given!r}", where=where, expected=expected)
    bounds = plain_count(kind, text)
    spelt = {"constraint": {"kind": "numerical:words", "settings": bounds}} if bounds else None
    check = given.get("check", spelt) if isinstance(given, Mapping) else spelt
    return Criterion(str(text), PRIORITY[priority], kind, check)


def satisfied(verdicts: Sequence[Verdict], primary: Sequence[bool]) -> Verdict:
    """CFBench's PSR of one answer: are its requirements met, the primary ones first? None: open verdicts decide.

    No, if a primary requirement is not met. Else half the credit is for the primary ones and half for the share of
    secondary ones that are met (all of it, if all are secondary), and more than 0.8 satisfies.

    >>> satisfied([True, True, True, False], [True, False, False, False])  # 0.5 + 0.5 * 2 / 3 = 0.83
    True
    """
    if None in verdicts:
        low, high = (
            satisfied([v if v is not None else guess for v in verdicts], primary) for guess in (False, True)
        )
        return low if low == high else None
    if not all(v for v, first in zip(verdicts, primary) if first):
        return False
    others = [bool(v) for v, first in zip(verdicts, primary) if not first]
    if not others:
        return True
    share = Fraction(sum(others), len(others))
    return (share if not any(primary) else Fraction(1, 2) + share / 2) > ENOUGH


class CFBenchScores(NamedTuple):
    """Of answers: the mean share of constraints met (CSR), of answers that meet all (ISR), and PSR.

    `abstained` counts answers that open verdicts leave undecided; for CSR those without any verdict.
    `by_kind` is the share met of each primary category, clustered by prompt.
    """

    csr: Estimate
    isr: Estimate
    psr: Estimate
    by_kind: dict[str, Estimate]


def cfbench_scores(items: Sequence[Item], judgements: Sequence[Judgement | None]) -> CFBenchScores:
    """The three metrics of one answer an item. An item without a judgement (None) counts as not met.

    Raises:
        UserError: as many judgements as items, each with a part a criterion, or none, are needed.
    """
    if len(items) != len(judgements):
        raise UserError(f"{len(judgements)} judgements of {len(items)} items", where="cfbench_scores")
    verdicts = [verdicts_of(item, j) for item, j in zip(items, judgements)]
    shares = [shares_of(row) for row in verdicts]
    whole = [True if all(row) else (False if False in row else None) for row in verdicts]
    first = [satisfied(row, [c.primary for c in item.criteria]) for item, row in zip(items, verdicts)]
    told: dict[str, list[tuple[int, float]]] = {}
    for number, (item, row) in enumerate(zip(items, verdicts)):
        for c, v in zip(item.criteria, row):
            if v is not None and c.kind:
                told.setdefault(c.kind.partition(":")[0], []).append((number, float(v)))
    by_kind = {k: mean([v for _, v in told[k]], clusters=[n for n, _ in told[k]]) for k in sorted(told)}
    return CFBenchScores(estimate(shares), estimate(whole), estimate(first), by_kind)


def verdicts_of(item: Item, judgement: Judgement | None) -> list[Verdict]:
    """Whether each criterion is met; without a judgement none is.

    Raises:
        UserError: the judgement has another number of parts.
    """
    if judgement is None:
        return [False] * len(item.criteria)
    if len(judgement.parts) != len(item.criteria):
        what = f"{len(judgement.parts)} verdicts of {len(item.criteria)} criteria"
        raise UserError(what, where="cfbench_scores", fix="judge with a ConstraintsJudge of these items")
    return [None if p.score is None else p.score >= 1 for p in judgement.parts]


def shares_of(verdicts: Sequence[Verdict]) -> float | None:
    """The share of criteria met among those with a verdict; None without one."""
    told = [v for v in verdicts if v is not None]
    return sum(told) / len(told) if told else None


def estimate(values: Sequence[float | None]) -> Estimate:
    """Of shares: its interval stays between 0 and 1."""
    told = [float(v) for v in values if v is not None]
    found = mean(told, abstained=len(values) - len(told))
    return found._replace(low=max(0.0, found.low), high=min(1.0, found.high))
