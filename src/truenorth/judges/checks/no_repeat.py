"""The answer does not go round in circles."""

from __future__ import annotations

from truenorth.judges.checks._text import words


def no_repeat(prompt: str, text: str, /, *, n: int = 3, most: float | None = None) -> float | None:
    """Share of distinct word `n`-grams among all, in (0, 1]; with `most`, 1 or 0. None if shorter than `n`.

    Args:
        n: words in a row that count as said again.
        most: the largest share of repeated n-grams that passes.

    >>> no_repeat("", "the cat sat the cat sat", n=3)  # the cat sat twice: 3 distinct of 4
    0.75
    """
    said = words(text)
    grams = list(zip(*(said[i:] for i in range(n))))
    if not grams:
        return None
    distinct = len(set(grams)) / len(grams)
    return distinct if most is None else float(1 - distinct <= most)
