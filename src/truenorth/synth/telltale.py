"""Can chosen and rejected answers be told apart by their words alone? Then a reward model may learn nothing else.

A naive Bayes classifier on words, asked of pairs that it has not seen: the share it puts in order. Pairs that are
made by opposite prompts (RLCD) or by stronger and weaker models are in danger of it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from truenorth.base import UserError, seed_of
from truenorth.judges.checks._text import words
from truenorth.records import Row
from truenorth.stats import Estimate, mean
from truenorth.synth.answers import answer_text


class Telltale(NamedTuple):
    """The share of unseen pairs put in order (one half is chance; ties count half), and the words that tell most.

    chosen, rejected: words whose log-odds point most to either side, over all pairs.
    """

    share: Estimate
    chosen: list[str]
    rejected: list[str]


def telltale(rows: Sequence[Row], *, folds: int = 5, shown: int = 8, seed: int = 0) -> Telltale:
    """How far words alone tell the chosen answers of preference rows from the rejected ones.

    Raises:
        UserError: fewer rows than folds, or fewer than two folds.
    """
    if folds < 2 or len(rows) < folds:
        raise UserError(
            f"{len(rows)} rows, {folds} folds", where="telltale", expected="2 folds, and a row for each"
        )
    said = [(_words(row, "chosen"), _words(row, "rejected")) for row in rows]
    order = sorted(range(len(rows)), key=lambda i: seed_of("telltale", seed, rows[i].id, i))
    right: list[float] = []
    for fold in range(folds):
        unseen = set(order[fold::folds])
        odds = log_odds([pair for i, pair in enumerate(said) if i not in unseen])
        for i in unseen:
            one, other = (sum(odds.get(word, 0.0) for word in text) for text in said[i])
            right.append(0.5 if one == other else float(one > other))
    odds = log_odds(said)
    ranked = sorted(odds, key=lambda word: (-odds[word], word))
    return Telltale(mean(right), ranked[:shown], ranked[::-1][:shown])


def _words(row: Row, side: str) -> list[str]:
    return words(answer_text(row.data[side]))


def log_odds(pairs: Sequence[tuple[list[str], list[str]]]) -> dict[str, float]:
    """Of each word: how much likelier it is in chosen than in rejected answers, in nats, with one more of each."""
    chosen, rejected = (Counter(word for pair in pairs for word in pair[side]) for side in (0, 1))
    known = chosen.keys() | rejected.keys()
    whole = [count.total() + len(known) for count in (chosen, rejected)]
    return {w: math.log((chosen[w] + 1) / whole[0]) - math.log((rejected[w] + 1) / whole[1]) for w in known}
