"""What contradicts what a model knows: the same sentence with the value of another answer, as false notes have it.

Source: Longpre et al. 2021, "Entity-based knowledge conflicts in question answering" (arXiv:2109.05052), corpus
substitution: the answer of one question in the place of that of another one. What the value of an answer is, is told
by what all its wordings share: ours.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import NamedTuple

from truenorth.judges._content import content
from truenorth.synth.grounded import facts

NAME, VALUE = "\0name", "\0value"  # no word of anybody's
STOPS = ".,;:!?"


class Known(NamedTuple):
    """A question and all the different answers to it that say the same."""

    question: str
    answers: tuple[str, ...]


class Cut(NamedTuple):
    """An answer about its value: words before and after it, with names blotted out, so that others can be put in."""

    frame: tuple[str, ...]
    before: str
    value: str
    after: str


def states(answer: str, question: str) -> bool:
    """Can the answer stand by itself as a note? It names what the question names, and says more than the question.

    >>> states("Ann sells fish.", "What does Ann sell?"), states("Fish.", "What does Ann sell?")
    (True, False)
    """
    asked, said = content(question), content(answer)
    named = facts(question) & asked
    return bool(named) and named <= said and bool(said - asked)


def contradicted(rows: Sequence[Known], *, n: int = 1, seed: int = 0) -> list[list[str]]:
    """For each question up to `n` false statements: one of its answers with another question's value in it.

    Values are exchanged between answers that are worded alike, the names of their questions aside. An answer whose
    value cannot be told (all say it in the same words) or that nobody else's is worded like is not contradicted.
    """
    cuts = [[cut for answer in row.answers if (cut := _cut(answer, row))] for row in rows]
    values: dict[tuple[str, ...], list[str]] = {}
    for cut in (cut for some in cuts for cut in some):
        values.setdefault(cut.frame, []).append(cut.value)
    found = []
    for row, some in zip(rows, cuts, strict=True):
        rng = random.Random(f"{seed} {row.question}")
        own = {cut.value.lower() for cut in some}
        false = {
            f"{cut.before}{value}{cut.after}"
            for cut in some
            for value in values[cut.frame]
            if value.lower() not in own
        }
        found.append(rng.sample(sorted(false), min(n, len(false))))
    return found


def _cut(answer: str, row: Known) -> Cut | None:
    """The answer about its value: the words that all answers share and the question has not, if they stand together."""
    asked = content(row.question)
    shared = frozenset.intersection(*(content(one) for one in row.answers)) - asked
    words = answer.split()
    at = [i for i, word in enumerate(words) if content(word) & shared]
    if len(row.answers) < 2 or not at or at[-1] - at[0] + 1 != len(at) or not states(answer, row.question):
        return None
    names = facts(row.question) & asked
    blotted = [NAME if content(word) & names else word for word in words]
    value = " ".join(words[at[0] : at[-1] + 1])
    end = value[len(value.rstrip(STOPS)) :]
    before, after = (" ".join(some) for some in (words[: at[0]], words[at[-1] + 1 :]))
    frame = (*blotted[: at[0]], VALUE + end, *blotted[at[-1] + 1 :])
    return Cut(frame, f"{before} ".lstrip(), value.rstrip(STOPS), f"{end} {after}".rstrip())
