"""Preference pairs from people's votes on two answers: counted, or weighed by how the annotators do on all items.

Source: Dawid and Skene (1979) for annotators of different skill. What they disagree on is kept as a soft label.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from truenorth.base import UserError
from truenorth.records import Row
from truenorth.stats import Estimate, dawid_skene, krippendorff
from truenorth.synth.asking import gathered
from truenorth.synth.comparisons import ordered, same
from truenorth.synth.filters import Filtered

Choice = Literal["a", "b", "tie"]


class Vote(NamedTuple):
    """What one annotator says of two answers (rows prompt, completion) to one prompt."""

    a: Row
    b: Row
    annotator: str
    says: Choice


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
