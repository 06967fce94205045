"""The answer begins as it was asked to."""

from __future__ import annotations

from truenorth.judges.checks._text import Patterns, applies, first_match

OPENING = " \t\n\"'“‘*_(["


def starts_with(
    prompt: str, text: str, /, *, word: str | None = None, when_prompt: Patterns = ()
) -> float | None:
    """1 if the text begins with `word` (quotes and markup before it ignored, any case), else 0.

    Args:
        word: what must come first. Without it, the group `word` of the pattern that matched the prompt.

    >>> starts_with("Start with 'Ahoy'. Who?", "Ahoy! Ann.", when_prompt=r"start with '(?P<word>.+?)'")
    1.0
    """
    wanted = word_of(prompt, word, when_prompt)
    return None if wanted is None else float(text.lstrip(OPENING).casefold().startswith(wanted.casefold()))


def word_of(prompt: str, word: str | None, when_prompt: Patterns) -> str | None:
    """The fixed word where the condition holds, or the one that the prompt states; None does not apply."""
    if word is not None:
        return word if applies(when_prompt, prompt) else None
    match = first_match(when_prompt, prompt)
    if match is None or "word" not in match.re.groupindex:
        return None
    return match["word"] or None
