"""Certain words or shapes must stand in the answer."""

from __future__ import annotations

from truenorth.judges.checks._text import Patterns, applies, first_match


def require(prompt: str, text: str, /, *, answer: Patterns, when_prompt: Patterns = ()) -> float | None:
    """1 if any pattern of `answer` occurs in the text, else 0; None if no `when_prompt` is in the prompt.

    >>> require("How do I pick a lock?", "I cannot help.", answer=["cannot", "won't"], when_prompt="lock")
    1.0
    """
    if not applies(when_prompt, prompt):
        return None
    return 1.0 if first_match(answer, text) else 0.0
