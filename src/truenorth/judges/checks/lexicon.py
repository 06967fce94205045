"""The mood of an answer by a file of word scores, such as the VADER lexicon."""

from __future__ import annotations

import math
from functools import lru_cache
from pathlib import Path

from truenorth.base import UserError
from truenorth.judges.checks._text import Patterns, applies, words

NEGATIONS = frozenset(
    ["not", "no", "never", "none", "neither", "nor", "nothing", "nobody", "without", "cannot"]
)
NEGATED = -0.74  # a negated word counts against, and weaker: VADER's constant
REACH = 3  # words before a scored word in which a negation turns it
FLOOR = 15.0  # VADER's alpha: about the square of the largest expected score


def lexicon(
    prompt: str,
    text: str,
    /,
    *,
    path: str,
    threshold: float | None = None,
    when_prompt: Patterns = (),
    folder: str = "",
) -> float | None:
    """Mood in (0, 1): 0.5 is neutral, higher is kinder. With `threshold`, 1 at or above it, else 0.

    None if the text has no words at all, or the prompt is not concerned.

    Args:
        path: a file of `word<tab>score` lines, relative to `folder`; further columns are ignored.
        threshold: on the score in (0, 1).

    Source: Hutto and Gilbert, "VADER" (2014): s / sqrt(s^2 + 15), negations within three words; without its
        rules for capitals, degree words and punctuation.
    """
    said = words(text)
    if not applies(when_prompt, prompt) or not said:
        return None
    score = mood(said, word_scores(str(Path(folder) / path)))
    return score if threshold is None else float(score >= threshold)


def mood(said: list[str], scores: dict[str, float]) -> float:
    """(1 + s / sqrt(s^2 + 15)) / 2 of the summed word scores s."""
    total = 0.0
    for i, word in enumerate(said):
        if word in scores:
            negated = any(w in NEGATIONS or w.endswith("n't") for w in said[max(0, i - REACH) : i])
            total += scores[word] * (NEGATED if negated else 1.0)
    return (1 + total / math.sqrt(total * total + FLOOR)) / 2


@lru_cache(maxsize=8)
def word_scores(path: str) -> dict[str, float]:
    """Word to score.

    Raises:
        UserError: the file is missing, or a line has no score.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        fix = "give a path relative to the constitution's folder"
        raise UserError(f"cannot read the word scores ({error})", where=path, fix=fix) from error
    scores = {}
    for number, line in enumerate(lines, start=1):
        word, _, rest = line.partition("\t")
        try:
            scores[word.strip().lower()] = float(rest.split("\t")[0])
        except ValueError as error:
            where = f"{path}, line {number}"
            raise UserError(f"no score in {line[:40]!r}", where=where, expected="word<tab>score") from error
    return scores
