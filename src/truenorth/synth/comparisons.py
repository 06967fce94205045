"""Preference pairs from comparisons by a judge, in both orders, and from people's rankings.

Source: Tideman (1987) for rankings that contradict one another, as OpenAssistant merges them (2023). What orders or
people disagree on is kept as a soft label: the column `win_rate` has the chance that each answer is the better one,
chosen first.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, pairwise
from typing import Any, Protocol

from truenorth.base import UserError, seed_of
from truenorth.judges.logprob import Preference
from truenorth.records import Prompt, Row, Source
from truenorth.stats import ranked_pairs
from truenorth.synth.answers import answer_text
from truenorth.synth.asking import gathered
from truenorth.synth.candidates import by_prompt
from truenorth.synth.dedupe import normalise
from truenorth.synth.filters import Filtered, row_prompt
from truenorth.synth.pairs import as_pair


class Compares(Protocol):
    """A judge that compares in both orders: `PairwiseJudge`, `LogprobJudge`, `EndpointJudge`, `DebateJudge`."""

    @property
    def name(self) -> str: ...

    def compare(self, prompts: Sequence[Prompt], a: Sequence[str], b: Sequence[str]) -> list[Preference]: ...


def pairs_from_comparisons(
    rows: Sequence[Row],
    judge: Compares,
    *,
    margin: float = 0.0,
    most: int = 4,
    seed: int = 0,
    constitution: str = "",
) -> Filtered:
    """Pairs of answers (rows prompt, completion) to one prompt, in the order in which a judge puts them.

    Reasons, one for each comparison without a pair: "same" (equal texts), "no verdict" (none in one of the orders),
    "orders disagree", "tie" (within the margin of one half); "one answer" for a prompt.

    Args:
        margin: how far above one half the share of the better answer must be, exclusive.
        most: comparisons a prompt, drawn by seed where there could be more.

    Raises:
        UserError: a negative margin, or `most` below 1.
    """
    if margin < 0 or most < 1:
        raise UserError(
            f"margin {margin}, most {most}", where="comparisons", expected="margin >= 0, most >= 1"
        )
    made: list[Row | str] = []
    couples: list[tuple[Row, Row]] = []
    for group in by_prompt(rows):
        every = sorted(combinations(group, 2), key=lambda pair: seed_of(seed, pair[0].id, pair[1].id))
        apart = [pair for pair in every if not same(*pair)]
        made += ["same"] * (len(every) - len(apart)) if every else ["one answer"]
        couples += apart[:most]
    found = (
        judge.compare(
            [row_prompt(a) for a, _ in couples],
            [answer_text(a.data["completion"]) for a, _ in couples],
            [answer_text(b.data["completion"]) for _, b in couples],
        )
        if couples
        else []
    )
    about: dict[str, Any] = {"judge": judge.name, "seed": seed, "constitution": constitution}
    for (a, b), one in zip(couples, found, strict=True):
        if one.first is None:
            made.append("orders disagree" if one.consistent is False else "no verdict")
        elif abs(one.first - 0.5) <= margin:
            made.append("tie")
        else:
            made.append(ordered(a, b, one.first, "comparisons", **about))
    return gathered(made)


def pairs_from_ranks(
    rows: Sequence[Row], ballots: Sequence[Sequence[str]], *, margin: float = 0.0, seed: int = 0
) -> Filtered:
    """Pairs of neighbours in the order that many rankings have in common, prompt by prompt.

    Reasons, one for each two neighbours: "same", "tie" (as many ballots put one above as below, or within the margin
    of it), "not ranked" (an answer in no ballot).

    Args:
        rows: answers (prompt, completion).
        ballots: ids of rows, each ballot best first, of one prompt or of several.

    Raises:
        UserError: a ballot that names what is no row's id.
    """
    known = {row.id for row in rows}
    unknown = sorted({one for ballot in ballots for one in ballot} - known)
    if unknown:
        raise UserError(f"{unknown[0]} is no row's id", where="ballots", expected="ids of the rows ranked")
    made: list[Row | str] = []
    for group in by_prompt(rows):
        here = {row.id: row for row in group}
        votes = [[one for one in ballot if one in here] for ballot in ballots]
        votes = [ballot for ballot in votes if len(ballot) > 1]
        order = [here[str(one)] for one in ranked_pairs(votes).ranking] if votes else []
        made += ["not ranked"] * (len(group) - len(order))
        for a, b in pairwise(order):
            share = above(votes, a.id, b.id)
            if same(a, b) or share is None or abs(share - 0.5) <= margin:
                made.append("same" if same(a, b) else "tie")
            else:
                made.append(ordered(a, b, share, "ranks", family="people", seed=seed))
    return gathered(made)


def above(ballots: Sequence[Sequence[str]], a: str, b: str) -> float | None:
    """Share of the ballots with both that put `a` above `b`; None without any."""
    both = [ballot.index(a) < ballot.index(b) for ballot in ballots if a in ballot and b in ballot]
    return sum(both) / len(both) if both else None


def same(a: Row, b: Row) -> bool:
    """Do two answers say the same, but for case, spaces and punctuation?"""
    return normalise(answer_text(a.data["completion"])) == normalise(answer_text(b.data["completion"]))


def ordered(a: Row, b: Row, share: float, producer: str, **about: Any) -> Row:
    """The pair of two answers, of which `a` is better with the chance `share`."""
    chosen, rejected = (a, b) if share > 0.5 else (b, a)
    high = max(share, 1 - share)
    source = Source(producer, model=a.source.model, parents=(chosen.id, rejected.id), **about)
    better, worse = (answer_text(row.data["completion"]) for row in (chosen, rejected))
    return as_pair(row_prompt(a), better, worse, source, win_rate=[high, 1 - high])
