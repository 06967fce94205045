"""The answer ends on a good note: the mood of its last sentences."""

from __future__ import annotations

from truenorth.judges.checks._text import Patterns, sentences
from truenorth.judges.checks.lexicon import lexicon


def ends_well(
    prompt: str,
    text: str,
    /,
    *,
    path: str,
    last: int = 1,
    threshold: float | None = None,
    when_prompt: Patterns = (),
    folder: str = "",
) -> float | None:
    """Mood of the `last` sentences, in (0, 1); settings as `lexicon`."""
    ending = " ".join(sentences(text)[-last:])
    return lexicon(prompt, ending, path=path, threshold=threshold, when_prompt=when_prompt, folder=folder)
