"""The whole answer has a given shape."""

from __future__ import annotations

from truenorth.judges.checks._text import Patterns, applies, as_tuple, compiled


def matches(prompt: str, text: str, /, *, answer: Patterns, when_prompt: Patterns = ()) -> float | None:
    """1 if any pattern of `answer` fits the whole text (spaces around it ignored, any case), else 0.

    For a pattern that may stand anywhere use `require`.

    >>> matches("Which?", " (B) ", answer=r"[(][A-D][)]")
    1.0
    """
    if not applies(when_prompt, prompt):
        return None
    return float(any(compiled(p).fullmatch(text.strip()) for p in as_tuple(answer)))
