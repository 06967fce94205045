"""What checks share: patterns, words, sentences and numbers of a text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import lru_cache

from truenorth.base import UserError
from truenorth.base.patterns import unusable

Check = Callable[..., float | None]
Patterns = str | Sequence[str]

# Vowel signs and accents that stand on their own: part of a word, though `\w` leaves them out.
MARKS = "".join(c for c in map(chr, range(0x300, 0x2000)) if unicodedata.category(c)[0] == "M")
PIECE = rf"[^\W_]+(?:[{MARKS}]+[^\W_]*)*"
WORD = re.compile(rf"{PIECE}(?:['’]{PIECE})*")
SENTENCE_END = re.compile(r"(?<=[.!?…])[\"'”’)\]]*\s+|\n+")
NUMBER = re.compile(r"(?<![\w.,])[-−]?\d+(?:,\d{3})*(?:\.\d+)?(?![\w])|\d+(?:,\d{3})*(?:\.\d+)?")
NUMBER_WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
NUMBER_WORDS += ["eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen"]
NUMBER_WORDS += ["seventeen", "eighteen", "nineteen", "twenty"]


def as_tuple(patterns: Patterns) -> tuple[str, ...]:
    return (patterns,) if isinstance(patterns, str) else tuple(patterns)


@lru_cache(maxsize=4096)
def compiled(pattern: str, where: str = "pattern of a check") -> re.Pattern[str]:
    """The pattern, case-insensitive, `.` stopping at line ends.

    Raises:
        UserError: not a regular expression, or one that can take for ever.
    """
    if why := unusable(pattern):
        fix = "escape it, or quote it in YAML" if "regular" in why else ""
        raise UserError(f"{pattern!r} is {why}", where=where, fix=fix)
    return re.compile(pattern, re.IGNORECASE)


def first_match(patterns: Patterns, text: str) -> re.Match[str] | None:
    """The match of the first pattern that occurs anywhere in `text`."""
    return next((m for p in as_tuple(patterns) if (m := compiled(p).search(text))), None)


def applies(when_prompt: Patterns, prompt: str) -> bool:
    """No condition always applies."""
    return not when_prompt or first_match(when_prompt, prompt) is not None


def words(text: str) -> list[str]:
    """Lower-case words, apostrophes inside kept straight: "Don’t go" -> ["don't", "go"]."""
    return [w.replace("’", "'") for w in WORD.findall(text.lower())]


def sentences(text: str) -> list[str]:
    return [s.strip() for s in SENTENCE_END.split(text) if s and s.strip()]


def numbers(text: str) -> list[Fraction]:
    """Every number in digits, in order; "1,250" is 1250, "5-3" is 5 and 3, "-3" is minus three."""
    return [Fraction(n.replace(",", "").replace("−", "-")) for n in NUMBER.findall(text)]


def count_named(value: str) -> int | None:
    """A count written in digits or as a word up to twenty; None if it is neither."""
    value = value.strip().lower()
    if value.isdecimal():
        return int(value)
    return NUMBER_WORDS.index(value) if value in NUMBER_WORDS else None
