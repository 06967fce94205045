"""The answer is in the language of the prompt, told by the small words that only one language uses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from truenorth.judges.checks._text import words as words_of


def language(
    prompt: str, text: str, /, *, words: Mapping[str, Sequence[str]], answer_in: str = ""
) -> float | None:
    """1 if the text is in the prompt's language, else 0; None where either cannot be told.

    Args:
        words: language name -> its frequent words, for example `{"en": ["the", "is"], "de": ["der", "ist"]}`.
        answer_in: a language that answers must be in, whatever the prompt's.

    >>> language("Wo ist er?", "The boat is here.", words={"en": ["the", "is"], "de": ["ist", "er"]})
    0.0
    """
    asked, answered = answer_in or told(prompt, words), told(text, words)
    return None if not asked or not answered else float(asked == answered)


def told(text: str, markers: Mapping[str, Sequence[str]]) -> str:
    """The language with most marker words in `text`; "" for none or a draw."""
    said = words_of(text)
    counts = {name: sum(w in set(marks) for w in said) for name, marks in markers.items()}
    best = max(counts.values(), default=0)
    leaders = [name for name, count in counts.items() if count == best]
    return leaders[0] if best and len(leaders) == 1 else ""
