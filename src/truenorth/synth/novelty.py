"""Which new prompts are worth keeping: well formed, and unlike those there are."""

from __future__ import annotations

import re
from collections.abc import Sequence

from truenorth.base import UserError
from truenorth.records import Row
from truenorth.synth.asking import gathered
from truenorth.synth.filters import Filtered, last_turn
from truenorth.synth.rouge import Pool

# Words that ask for what a text model cannot give, after Self-Instruct.
BANNED: tuple[str, ...] = ("image", "images", "graph", "graphs", "picture", "pictures", "file", "files")
BANNED += ("map", "maps", "draw", "plot", "go to", "video", "audio", "flowchart", "diagram")


def malformed(
    text: str, *, least_words: int = 4, most_words: int = 150, banned: Sequence[str] = BANNED
) -> str:
    """What is wrong with a prompt by its form alone, or "": blank, short, long, begins oddly, banned word.

    >>> malformed("Draw a map of the coast."), malformed("Who was the last pilot?")
    ('banned word', '')
    """
    text = text.strip()
    count = len(text.split())
    if not text:
        return "blank"
    if count < least_words or count > most_words:
        return "short" if count < least_words else "long"
    if not text[0].isalnum() and text[0] not in "\"'“‘«¿¡(":
        return "begins oddly"
    if banned and re.search(rf"(?i)\b(?:{'|'.join(map(re.escape, banned))})\b", text):
        return "banned word"
    return ""


def well_formed(
    rows: Sequence[Row], *, least_words: int = 4, most_words: int = 150, banned: Sequence[str] = BANNED
) -> Filtered:
    """Rows whose last user turn is fit to be asked. Reasons: those of `malformed`."""
    settings = {"least_words": least_words, "most_words": most_words, "banned": banned}
    return gathered(malformed(last_turn(row), **settings) or row for row in rows)  # type: ignore[arg-type]


def novel(rows: Sequence[Row], known: Sequence[Row] = (), *, near: float = 0.7) -> Filtered:
    """Rows unlike every one before them and every known one: no ROUGE-L F above `near`. Reason: "seen".

    Source: Wang et al. 2023, "Self-Instruct" (arXiv:2212.10560), section 2.2; the comparison is strict.

    Raises:
        UserError: `near` is no fraction.
    """
    if not 0 <= near <= 1:
        raise UserError(f"near {near}", where="novelty", expected="a fraction from 0 to 1")
    pool = Pool(last_turn(row) for row in known)
    made: list[Row | str] = []
    for row in rows:
        text = last_turn(row)
        if pool.highest(text, above=near) > near:
            made.append("seen")
        else:
            pool.add(text)
            made.append(row)
    return gathered(made)
