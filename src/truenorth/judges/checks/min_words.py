"""The answer keeps to a length: at least so many words, fixed or as the prompt asks."""

from __future__ import annotations

from truenorth.judges.checks._text import Patterns, words
from truenorth.judges.checks.max_words import limit_of


def min_words(
    prompt: str, text: str, /, *, limit: int | None = None, when_prompt: Patterns = ()
) -> float | None:
    """1 if the text has at least `limit` words, else 0, or None. Settings as `max_words`.

    >>> min_words("Tell me a story.", "No.", limit=20)
    0.0
    """
    bound = limit_of(prompt, limit, when_prompt)
    return None if bound is None else float(len(words(text)) >= bound)
