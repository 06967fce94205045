"""Twins of rows in which the terms of one group stand for those of another: what should not matter is made not to.

Source: Zmigrod et al. 2019 and Lu et al. 2018 (arXiv:1807.11714), counterfactual data augmentation; here by whole
words and phrases, both ways at once, so that swapping twice gives the row back.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from truenorth.base import UserError
from truenorth.records import Row, Source
from truenorth.synth.asking import gathered
from truenorth.synth.filters import Filtered

# English words of gender that have one counterpart each. "her" has two (his, him), and so has "his" (her, hers).
GENDER = (
    ("he", "she"),
    ("himself", "herself"),
    ("man", "woman"),
    ("men", "women"),
    ("boy", "girl"),
    ("boys", "girls"),
    ("father", "mother"),
    ("son", "daughter"),
    ("brother", "sister"),
    ("husband", "wife"),
    ("uncle", "aunt"),
    ("mr", "ms"),
    ("sir", "madam"),
)
UNCLEAR = ("her", "hers", "his", "him")
TEXTS = ("prompt", "completion", "chosen", "rejected", "messages", "text")


def counterfactual(
    rows: Sequence[Row],
    *,
    pairs: Sequence[tuple[str, str]] = GENDER,
    unclear: Sequence[str] = UNCLEAR,
    columns: Sequence[str] = TEXTS,
) -> Filtered:
    """The twin of each row, all of its texts swapped; the rows themselves are not among them.

    Reasons: "nothing to swap", "unclear" (a word that has more than one counterpart stands in it).

    Args:
        pairs: terms, a word or a phrase each, that change places whatever their case.
        unclear: words that the pairs cannot swap.
        columns: that hold texts or chats; others are kept.

    Raises:
        UserError: a term in two pairs, so that swapping would not lead back.
    """
    swap = Swap(pairs)
    doubtful = re.compile(rf"(?i)\b(?:{'|'.join(map(re.escape, unclear))})\b") if unclear else None
    made: list[Row | str] = []
    for row in rows:
        data = {k: swap.all(v) if k in columns else v for k, v in row.data.items()}
        if doubtful and any(doubtful.search(text) for k in columns for text in flat(row.data.get(k))):
            made.append("unclear")
        elif data == row.data:
            made.append("nothing to swap")
        else:
            made.append(Row(data, Source("counterfactual", "imitation", parents=(row.id,))))
    return gathered(made)


class Swap:
    """Terms to exchange, longest first, in a text or in all texts of a value.

    >>> Swap([("he", "she"), ("north side", "south side")])("He and she met on the North side.")
    'She and he met on the South side.'
    """

    def __init__(self, pairs: Sequence[tuple[str, str]]):
        both = [(a.lower(), b.lower()) for x, y in pairs for a, b in ((x, y), (y, x))]
        repeated = [a for a, _ in both if sum(a == other for other, _ in both) > 1]
        if repeated or not both:
            what = f"{repeated[0]!r} stands in two pairs" if repeated else "no pairs"
            raise UserError(what, where="counterfactual", expected="each term once")
        self.to = dict(both)
        longest = sorted(self.to, key=lambda term: (-len(term), term))
        self.terms = re.compile(rf"(?i)(?<!\w)(?:{'|'.join(map(re.escape, longest))})(?!\w)")

    def __call__(self, text: str) -> str:
        return self.terms.sub(lambda found: cased(self.to[found[0].lower()], found[0]), text)

    def all(self, value: Any) -> Any:
        """A text, or the texts of a chat."""
        if isinstance(value, str):
            return self(value)
        if isinstance(value, (list, tuple)):
            return [self.all(one) for one in value]
        if isinstance(value, dict):
            return {k: self.all(v) if k == "content" else v for k, v in value.items()}
        return value


def cased(new: str, old: str) -> str:
    """A term in the case of the one it replaces: all capitals, a capital first, or as it is."""
    if old.isupper() and len(old) > 1:
        return new.upper()
    return new[:1].upper() + new[1:] if old[:1].isupper() else new


def flat(value: Any) -> list[str]:
    """All texts of a column."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, (list, tuple)):
        return [text for one in value for text in flat(one)]
    return flat(value.get("content")) if isinstance(value, dict) else []
