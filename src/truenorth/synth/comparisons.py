"""Preference pairs from comparisons: a judge's, in both orders; people's rankings; and people's votes.

Sources: Bradley and Terry by way of the judges' shares; Tideman (1987) for rankings that contradict one another, as
OpenAssistant merges them (2023); Dawid and Skene (1979) for annotators of different skill. What annotators disagree
on is kept as a soft label: the column `win_rate` has the chance that each answer is the better one, chosen first.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, pairwise
from typing import Any, Literal, NamedTuple, Protocol

from truenorth.base import UserError, seed_of
from truenorth.judges.logprob import Preference
from truenorth.records import Prompt, Row, Source
from truenorth.stats import Estimate, dawid_skene, krippendorff, ranked_pairs
from truenorth.synth.answers import answer_text
from truenorth.synth.asking import gathered
from truenorth.synth.candidates import by_prompt
from truenorth.synth.dedupe import normalise
from truenorth.synth.filters import Filtered, row_prompt
from truenorth.synth.pairs import as_pair

Choice = Literal["a", "b", "tie"]


class Compares(Protocol):
    """A judge that compares in both orders: `PairwiseJudge`, `LogprobJudge`, `EndpointJudge`, `DebateJudge`."""

    @property
    def name(self) -> str: ...

    def compare(self, prompts: Sequence[Prompt], a: Sequence[str], b: Sequence[str]) -> list[Preference]: ...


class Vote(NamedTuple):
    """What one annotator says of two answers (rows prompt, completion) to one prompt."""

    a: Row
    b: Row
    annotator: str
    says: Choice


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


def pairs_from_votes(
    votes: Sequence[Vote],
    *,
    merge: Literal["share", "dawid-skene"] = "share",
    margin: float = 0.0,
    least: int = 1,
    seed: int = 0,
) -> Filtered:
    """Pairs from what annotators say of the same two answers, in whichever order they saw them.

    Reasons, one for each two answers: "same", "few votes" (fewer than `least`), "tie" (the share of votes, a tie
    counting half, is within the margin of one half).

    Args:
        merge: "share" counts votes; "dawid-skene" weighs annotators by how they do on all items, and takes the
            posterior. It needs annotators with many votes in common.

    Raises:
        UserError: another way to merge, or a vote that says neither a, b nor tie.
    """
    if merge not in ("share", "dawid-skene"):
        raise UserError(f"merge {merge!r}", where="votes", expected="share or dawid-skene")
    if wrong := [v.says for v in votes if v.says not in ("a", "b", "tie")]:
        raise UserError(f"a vote for {wrong[0]!r}", where="votes", expected="a, b or tie")
    told = _turned(votes)
    shares = _posterior(told) if merge == "dawid-skene" and told else {k: _share(v) for k, v in told.items()}
    made: list[Row | str] = []
    for key, said in told.items():
        a, b = said[0].a, said[0].b
        if same(a, b) or len(said) < least or abs(shares[key] - 0.5) <= margin:
            made.append("same" if same(a, b) else "few votes" if len(said) < least else "tie")
        else:
            note = f"{len(said)} votes"
            made.append(ordered(a, b, shares[key], "votes", family="people", seed=seed, note=note))
    return gathered(made)


def agreement(votes: Sequence[Vote]) -> Estimate:
    """Krippendorff's alpha of the votes: 1 agreement, 0 what chance gives."""
    told = _turned(votes)
    people = list(dict.fromkeys(v.annotator for v in votes))
    return krippendorff(
        [[{v.annotator: v.says for v in said}.get(who) for who in people] for said in told.values()]
    )


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


def _turned(votes: Sequence[Vote]) -> dict[tuple[str, str], list[Vote]]:
    """Votes by the two answers they are about, all in one order (by id)."""
    told: dict[tuple[str, str], list[Vote]] = {}
    other: dict[Choice, Choice] = {"a": "b", "b": "a", "tie": "tie"}
    for v in votes:
        v = v if v.a.id <= v.b.id else Vote(v.b, v.a, v.annotator, other[v.says])
        told.setdefault((v.a.id, v.b.id), []).append(v)
    return told


def _share(said: Sequence[Vote]) -> float:
    return sum({"a": 1.0, "b": 0.0, "tie": 0.5}[v.says] for v in said) / len(said)


def _posterior(told: dict[tuple[str, str], list[Vote]]) -> dict[tuple[str, str], float]:
    crowd = dawid_skene([(key, v.annotator, v.says) for key, said in told.items() for v in said])
    worth = {"a": 1.0, "b": 0.0, "tie": 0.5}
    value_K = [worth[str(label)] for label in crowd.labels]
    return {key: float(p_K @ value_K) for key, p_K in zip(crowd.items, crowd.posterior)}  # type: ignore[misc]
