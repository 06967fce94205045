"""The answer ends as it was asked to."""

from __future__ import annotations

from truenorth.judges.checks._text import Patterns
from truenorth.judges.checks.starts_with import word_of

CLOSING = " \t\n\"'”’*_)].!?…"


def ends_with(
    prompt: str, text: str, /, *, word: str | None = None, when_prompt: Patterns = ()
) -> float | None:
    """1 if the text ends with `word` (closing punctuation ignored on both sides, any case), else 0.

    >>> ends_with("End with 'over'. Report.", "All is well, over.", when_prompt=r"end with '(?P<word>.+?)'")
    1.0
    """
    wanted = word_of(prompt, word, when_prompt)
    if wanted is None:
        return None
    return float(text.rstrip(CLOSING).casefold().endswith(wanted.rstrip(CLOSING).casefold()))
