"""Certain words or shapes must not stand in the answer."""

from __future__ import annotations

from truenorth.judges.checks._text import Patterns, applies, first_match


def forbid(prompt: str, text: str, /, *, answer: Patterns, when_prompt: Patterns = ()) -> float | None:
    """0 if any pattern of `answer` occurs in the text, else 1; None if no `when_prompt` occurs in the prompt.

    >>> forbid("Where does Ann live?", "At 12 Salt Lane.", answer=r"\\d+ \\w+ Lane", when_prompt="live")
    0.0
    """
    if not applies(when_prompt, prompt):
        return None
    return 0.0 if first_match(answer, text) else 1.0
