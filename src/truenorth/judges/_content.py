"""What an answer says, apart from how it says it: weighted content words and exact numbers."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from truenorth.judges.checks._text import words

SMALL_WORDS = """
a about all also am an and any are as at be been but by can could did do does for from had has have he
her here him his i i'd i'll i'm i've if in indeed into is it it's its just me my of on or our she should
so some such than that that's the their them then there there's these they this those to too up us was we
well were what when where which who whom whose will with would you your
"""
STOP_WORDS = frozenset(SMALL_WORDS.split())
IN_PROMPT = 0.1  # weight of a word that only echoes the prompt, relative to FLOOR
FLOOR = 0.25  # weight of the most widely used word
NUMBER = 4.0  # weight of a number, relative to a word: where an answer has one, it is the answer
ENDINGS = ("ing", "es", "ed", "s", "d", "e")


def content(text: str) -> frozenset[str]:
    """Content words, possessives cut ("ann's" is "ann"); everything if the text is stop words only."""
    said = [w.removesuffix("'s") for w in words(text)]
    return frozenset(w for w in said if w not in STOP_WORDS) or frozenset(said)


def stem(word: str) -> str:
    """Enough to see that "lives" echoes "live": the word without a common ending, if three letters stay."""
    cut = (word[: -len(e)] for e in ENDINGS if word.endswith(e) and len(word) - len(e) >= 3)
    return next(cut, word)


def prompts_using(groups: Iterable[Iterable[frozenset[str]]]) -> Counter[str]:
    """Word -> how many prompts have an answer that uses it."""
    used: Counter[str] = Counter()
    for group in groups:
        used.update(frozenset().union(*group))
    return used


@dataclass(frozen=True)
class Meaning:
    """How much two answers to one prompt have in common.

    A word weighs FLOOR + log(most / used): `used` prompts have it in their answers, and `most` prompts
    have the most widely used word of this prompt's answers. So the words in which all such questions are
    answered ("lives", "lane") weigh little and those in which the answers differ ("salt", "mill") much,
    however mixed the batch.
    """

    used: Mapping[str, int]  # from `prompts_using`
    prompt: frozenset[str]  # content words of the prompt
    most: int = 1

    @classmethod
    def of(cls, used: Mapping[str, int], prompt: str, answers: Iterable[frozenset[str]]) -> Meaning:
        plain = cls(used, content(prompt))
        new = (w for w in frozenset().union(*answers) if not plain.echoes(w))
        return cls(used, plain.prompt, max((used.get(w, 1) for w in new), default=1))

    @cached_property
    def stems(self) -> frozenset[str]:
        return frozenset(stem(w) for w in self.prompt)

    def echoes(self, word: str) -> bool:
        """The word, or another form of it, stands in the prompt."""
        return word in self.prompt or (not word.isdecimal() and stem(word) in self.stems)

    def weigh(self, said: Iterable[str]) -> float:
        """Summed in sorted order, so that the sum does not depend on the hash seed."""
        return sum(self._weight(w) for w in sorted(said))

    def _weight(self, word: str) -> float:
        if self.echoes(word):
            return IN_PROMPT * FLOOR
        rare = FLOOR + max(0.0, math.log(self.most / max(1, self.used.get(word, 1))))
        return rare * NUMBER if word.isdecimal() else rare

    def same_numbers(self, a: frozenset[str], b: frozenset[str]) -> bool:
        """Numbers are exact: what each adds to the prompt's numbers must be equal (all, if it adds none)."""
        return self._numbers(a) == self._numbers(b)

    def _numbers(self, said: frozenset[str]) -> frozenset[str]:
        digits = frozenset(w for w in said if w.isdecimal())
        return (digits - self.prompt) or digits

    def overlap(self, a: frozenset[str], b: frozenset[str]) -> float:
        """Weighted Jaccard similarity in [0, 1]; 0 where numbers differ."""
        whole = self.weigh(a | b)
        return self.weigh(a & b) / whole if whole and self.same_numbers(a, b) else 0.0

    def recall(self, core: frozenset[str], said: frozenset[str]) -> float:
        """Weighted share of `core` that `said` has."""
        whole = self.weigh(core)
        return self.weigh(core & said) / whole if whole else 0.0


def clusters(said: Sequence[frozenset[str]], meaning: Meaning, *, same_at: float) -> list[list[int]]:
    """Indices of answers that say the same: connected components of overlap >= `same_at`; largest first.

    Components do not depend on the order of the answers; ties between clusters go to the smaller content.
    """
    distinct = sorted(set(said), key=sorted)
    groups: list[set[frozenset[str]]] = []
    for one in distinct:
        near = [g for g in groups if any(meaning.overlap(one, other) >= same_at for other in g)]
        groups = [g for g in groups if g not in near] + [{one}.union(*near)]
    indexed = [([i for i, one in enumerate(said) if one in g], sorted(map(sorted, g))) for g in groups]
    return [members for members, _ in sorted(indexed, key=lambda pair: (-len(pair[0]), pair[1]))]
