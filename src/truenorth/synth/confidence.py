"""Pseudo-labels worth keeping: answers that a model gives again and again, and those it is least unsure of.

Sources: Wang et al., "Self-Consistency Improves Chain of Thought Reasoning" (2022); Huang et al., "Large Language
Models Can Self-Improve" (2022). Filters by confidence keep easy rows and confirm errors, so that a random slice
is kept besides, and the curve of risk against coverage says what a threshold costs where labels exist.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from truenorth.base import UserError, seed_of, uniform
from truenorth.records import Row
from truenorth.synth.answers import answer_text
from truenorth.synth.filters import Filtered, filtered, keep
from truenorth.synth.shingles import normalise


class Vote(NamedTuple):
    """What most answers say. `members`: their places; `share`: of all answers, those that say nothing included."""

    answer: str | None
    share: float
    members: tuple[int, ...]


def vote(
    answers: Sequence[str],
    *,
    read: Callable[[str], str | None] = normalise,
    logprobs: Sequence[float | None] | None = None,
) -> Vote:
    """The final answer of most, the likelier on average of equally frequent ones, then by alphabet.

    Args:
        read: the final answer within an answer, in a form that compares; None or "": it has none.
        logprobs: nats of each answer, for ties.

    >>> vote(["it is 7", "So: 7", "8"], read=lambda text: text.split()[-1])
    Vote(answer='7', share=0.6666666666666666, members=(0, 1))
    """
    members: dict[str, list[int]] = defaultdict(list)
    for i, text in enumerate(answers):
        if said := read(text):
            members[said].append(i)
    if not members:
        return Vote(None, 0.0, ())

    def rank(said: str) -> tuple[int, float, str]:
        known = [v for i in members[said] if (v := logprobs[i] if logprobs else None) is not None]
        return -len(members[said]), -float(np.mean(known)) if known else np.inf, said

    best = min(members, key=rank)
    return Vote(best, len(members[best]) / len(answers), tuple(members[best]))


def self_consistent(
    groups: Sequence[Sequence[Row]],
    *,
    least: float = 0.6,
    read: Callable[[str], str | None] = normalise,
) -> Filtered:
    """Of each prompt's sampled answers (`answers`) the likeliest of the majority, if it has the share `least`.

    Reasons, one a prompt: "no answer", "no majority".

    Args:
        read: the final answer within an answer; free text seldom repeats word for word, so give one for it, or
            use `judges.ConsistencyJudge`, which compares meanings.

    Raises:
        UserError: `least` outside (0, 1].
    """
    if not 0 < least <= 1:
        raise UserError(f"least {least}", where="self_consistent", expected="a share in (0, 1]")
    kept, reasons = [], []
    for group in groups:
        logprobs = [row.data.get("logprob") for row in group]
        found = vote([answer_text(row.data["completion"]) for row in group], read=read, logprobs=logprobs)
        if found.answer is None:
            reasons.append("no answer")
        elif found.share < least:
            reasons.append("no majority")
        else:
            kept.append(group[max(found.members, key=lambda i: _or_lowest(logprobs[i]))])
    return filtered(kept, reasons)


def certain(
    rows: Sequence[Row],
    uncertainty: Sequence[float | None],
    *,
    share: float = 0.5,
    at_random: float = 0.1,
    seed: int = 0,
) -> Filtered:
    """The `share` of rows with the least uncertainty, and of the others `at_random`, in their order.

    Reasons: "uncertain", "unknown" (no uncertainty). Rows without one are never in the random slice.

    Args:
        uncertainty: lower is surer: 1 - a vote's share, `nats_a_word`, entropy, the spread of several judges.

    Raises:
        UserError: a share outside [0, 1].
    """
    if not (0 <= share <= 1 and 0 <= at_random <= 1):
        raise UserError(f"share {share}, at_random {at_random}", where="certain", expected="shares in [0, 1]")
    known = [i for i, u in enumerate(uncertainty) if u is not None]
    order = sorted(known, key=lambda i: uncertainty[i])  # type: ignore[arg-type, return-value]
    chosen = set(order[: round(share * len(known))])
    draw = uniform(np.array([seed_of("certain", seed, row.id) for row in rows] or [0]), 0)
    chosen |= {i for i in known if i not in chosen and draw[i] < at_random}
    return keep(
        rows,
        ["" if i in chosen else "unknown" if u is None else "uncertain" for i, u in enumerate(uncertainty)],
    )


def nats_a_word(row: Row) -> float | None:
    """Minus the log-probability of a sampled answer, a word; None where it has none."""
    said = len(answer_text(row.data["completion"]).split())
    logprob = row.data.get("logprob")
    return None if logprob is None or not said else -float(logprob) / said


class RiskCoverage(NamedTuple):
    """`risk[k]`: share of wrong ones among the k + 1 surest; `area` under it (AURC): lower is better."""

    coverage: list[float]
    risk: list[float]
    area: float


def risk_coverage(uncertainty: Sequence[float], right: Sequence[bool]) -> RiskCoverage:
    """How many of the surest are wrong, at each share kept. Equal uncertainties are kept together.

    Raises:
        UserError: not as many labels as uncertainties, or none.

    Source: Geifman and El-Yaniv, "Selective Classification for Deep Neural Networks" (2017).
    """
    if len(uncertainty) != len(right) or not len(right):
        raise UserError(f"{len(uncertainty)} uncertainties, {len(right)} labels", where="risk_coverage")
    u, wrong = np.asarray(uncertainty, float), 1.0 - np.asarray(right, float)
    order = np.argsort(u, kind="stable")
    groups = np.split(wrong[order], np.flatnonzero(np.diff(u[order])) + 1)
    spread = np.concatenate(
        [np.full(len(g), g.mean()) for g in groups]
    )  # any order of equal ones, on average
    count = np.arange(1, len(u) + 1)
    risk = np.cumsum(spread) / count
    return RiskCoverage((count / len(u)).tolist(), risk.tolist(), float(risk.mean()))


def _or_lowest(value: float | None) -> float:
    return -np.inf if value is None else value
