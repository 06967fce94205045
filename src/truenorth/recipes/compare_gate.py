"""`--require non-inferior:helpful:2pp`: claims that a comparison must support, for use as a gate.

A claim that the items cannot decide is not met: a gate that opens when nobody knows is no gate.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from truenorth.base import UserError
from truenorth.recipes.compare_table import is_rate
from truenorth.recipes.compared import Compared, Pair
from truenorth.stats.power import kept

Kind = Literal["non-inferior", "superior", "equivalent"]
FORM = "non-inferior:METRIC:MARGIN, equivalent:METRIC:MARGIN or superior:METRIC, MARGIN as 2pp or 0.02"


class Claim(NamedTuple):
    kind: Kind
    metric: str
    margin: float = 0.0


class Decision(NamedTuple):
    """`met` None: the items cannot tell. `more`: items that would, as far as can be said."""

    claim: Claim
    first: str
    second: str
    met: bool | None
    sentence: str


def claim_of(text: str) -> Claim:
    """Read a claim.

    >>> claim_of("non-inferior:helpful:2pp")
    Claim(kind='non-inferior', metric='helpful', margin=0.02)

    Raises:
        UserError: it cannot be read.
    """
    kind, _, rest = text.partition(":")
    if kind == "superior" and rest:
        return Claim("superior", rest)
    metric, _, size = rest.rpartition(":")
    number = re.fullmatch(r"(\d*\.?\d+)\s*(pp|%|)", size)
    if kind not in ("non-inferior", "equivalent") or not metric or not number or float(number[1]) == 0:
        raise UserError(f"{text!r} is not a claim", where="--require", expected=FORM)
    margin = float(number[1]) / (100 if number[2] else 1)
    return Claim("non-inferior" if kind == "non-inferior" else "equivalent", metric, margin)


def decide(claims: list[Claim], compared: Compared) -> list[Decision]:
    """Each claim about each system that is held against the first, by the intervals that are shown.

    Raises:
        UserError: no such metric, or a margin as wide as the scale, which any system would keep.
    """
    for claim in claims:
        if claim.margin >= 1 and all(is_rate(pair) for pair in compared.of(claim.metric)):
            what = f"a margin of {100 * claim.margin:g} points of a share"
            raise UserError(what, where="--require", fix=f"write {claim.margin:g}pp for points")
    return [
        decision
        for claim in claims
        for pair in compared.of(claim.metric)
        if pair.first == compared.systems[0]
        for decision in [_decision(claim, pair)]
    ]


def _decision(claim: Claim, pair: Pair) -> Decision:
    test = pair.test
    low, high = (-test.high, -test.low) if pair.lower_is_better else (test.low, test.high)
    margin = claim.margin
    if claim.kind == "superior":
        met = True if pair.verdict == "better" else False if high <= 0 else None
        told = f"{pair.second} is better than {pair.first} in {claim.metric}"
    elif claim.kind == "equivalent":
        met = True if -margin < low and high < margin else False if low >= margin or high <= -margin else None
        told = f"{pair.second} is within {100 * margin:g} points of {pair.first} in {claim.metric}"
    else:
        met = True if low > -margin else False if high < -margin else None
        told = f"{pair.second} is at most {100 * margin:g} points worse than {pair.first} in {claim.metric}"
    answer = {True: "yes", False: "no", None: "cannot tell"}[met]
    return Decision(claim, pair.first, pair.second, met, f"{told}: {answer}{_needs(claim, pair, met)}")


def _needs(claim: Claim, pair: Pair, met: bool | None) -> str:
    if met is not None:
        return ""
    if claim.kind == "superior":
        return f", need about {pair.more:,} more items" if pair.more > 0 else ""
    test = pair.test
    turned = test._replace(difference=-test.difference, low=-test.high, high=-test.low)
    found = kept(turned if pair.lower_is_better else test, margin=claim.margin)
    return f", need about {found.more:,} more items" if found.more > 0 else ""
