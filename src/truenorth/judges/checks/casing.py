"""The answer is written in capitals, in small letters, or with a capital on each word, as asked."""

from __future__ import annotations

from typing import Literal

from truenorth.judges.checks._text import Patterns, applies


def casing(
    prompt: str, text: str, /, *, case: Literal["upper", "lower", "title"], when_prompt: Patterns = ()
) -> float | None:
    """1 if every letter (title: the first of each word) has the case asked for, else 0. No letters: 0.

    >>> casing("Shout it.", "LAND AHOY 2!", case="upper", when_prompt="shout")
    1.0
    """
    if not applies(when_prompt, prompt):
        return None
    if case == "title":
        firsts = [word[0] for word in text.split() if word[0].isalpha()]
        return float(bool(firsts) and all(letter.isupper() for letter in firsts))
    return float(text.isupper() if case == "upper" else text.islower())
