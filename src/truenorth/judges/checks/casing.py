"""The answer is written in capitals, in small letters, or with a capital on each word, as asked."""

from __future__ import annotations

from typing import Literal

from truenorth.base import UserError
from truenorth.judges.checks._text import Patterns, applies


def casing(
    prompt: str, text: str, /, *, case: Literal["upper", "lower", "title"], when_prompt: Patterns = ()
) -> float | None:
    """1 if every letter (title: the first of each word) has the case asked for, else 0. No letters with a case: 0.

    Raises:
        UserError: another case.

    >>> casing("Shout it.", "LAND AHOY 2!", case="upper", when_prompt="shout")
    1.0
    """
    if not applies(when_prompt, prompt):
        return None
    if case not in ("upper", "lower", "title"):
        raise UserError(f"case {case!r}", where="check casing", expected="upper, lower or title")
    if case == "title":
        firsts = [next(filter(str.isalnum, word), "") for word in text.split()]
        letters = [letter for letter in firsts if letter.lower() != letter.upper()]
        return float(bool(letters) and not any(letter.islower() for letter in letters))
    return float(text.isupper() if case == "upper" else text.islower())
