"""The answer keeps to a length: at most so many words, fixed or as the prompt asks."""

from __future__ import annotations

from truenorth.judges.checks._text import Patterns, applies, count_named, first_match, words


def max_words(
    prompt: str, text: str, /, *, limit: int | None = None, when_prompt: Patterns = ()
) -> float | None:
    """1 if the text has at most `limit` words, else 0; None where it does not apply.

    Args:
        limit: words. Without it, the group `n` of the pattern that matched the prompt is the limit.

    >>> max_words("At most three words: why?", "Because of rain.", when_prompt=r"at most (?P<n>\\w+) words")
    1.0
    """
    bound = limit_of(prompt, limit, when_prompt)
    return None if bound is None else float(len(words(text)) <= bound)


def limit_of(prompt: str, limit: int | None, when_prompt: Patterns) -> int | None:
    """The fixed limit where the condition holds, or the one that the prompt states."""
    if limit is not None:
        return limit if applies(when_prompt, prompt) else None
    match = first_match(when_prompt, prompt)
    if match is None or "n" not in match.re.groupindex:
        return None
    return count_named(match["n"] or "")
