"""Keeps held-out words and named evaluations out of training prompts.

What is held out is a list of hashes that does not say what it is; evaluations are an index of their word runs.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from pathlib import Path

from truenorth.base import UserError
from truenorth.records import Row
from truenorth.synth.copied import Evaluations, in_evaluations
from truenorth.synth.filters import Filtered, keep, row_text

SIZES = (1, 6)  # words of the shortest and the longest run
HASH = re.compile(r"[0-9a-f]{16}")


def plain_words(text: str) -> list[str]:
    """Letters and digits only, lower case, possessives cut: "Ann's boat (12 + 7)" -> ann boat 12 7."""
    text = unicodedata.normalize("NFKC", text).lower().replace("’", "'")
    return re.findall(r"[^\W_]+", re.sub(r"'s\b", "", text))


def ngram_hashes(text: str, sizes: tuple[int, int] = SIZES) -> set[str]:
    """Hashes of all runs of `sizes[0]` to `sizes[1]` words: 16 hex digits each (blake2b, 8 bytes)."""
    said = plain_words(text)
    first, last = sizes
    runs = (said[i : i + n] for n in range(first, last + 1) for i in range(len(said) - n + 1))
    return {hashed(run) for run in runs}


def hashed(run: Sequence[str]) -> str:
    """A run of words as 16 hex digits (blake2b, 8 bytes)."""
    return hashlib.blake2b(" ".join(run).encode(), digest_size=8).hexdigest()


def heldout_lines(phrases: Iterable[str]) -> Iterator[str]:
    """The lines of a held-out list: one sorted hash a phrase. Phrases longer than six words give each of
    their runs of six; phrases without a word give none."""
    hashes: set[str] = set()
    for phrase in phrases:
        size = min(len(plain_words(phrase)), SIZES[1])
        if size:
            hashes |= ngram_hashes(phrase, (size, size))
    yield from sorted(hashes)


def load_heldout(path: str | Path) -> frozenset[str]:
    """The hashes of a held-out list; blank lines and lines that begin with # are skipped.

    Raises:
        UserError: the file is missing, or a line is not a hash.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read the held-out list ({error})", where=str(path)) from error
    hashes = set()
    for number, line in enumerate(lines, start=1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        if not HASH.fullmatch(line):
            where = f"{path}, line {number}"
            raise UserError(f"{line[:40]!r} is not a hash", where=where, expected="16 hex digits a line")
        hashes.add(line)
    return frozenset(hashes)


def decontaminate(
    rows: Sequence[Row], heldout: Set[str] | Evaluations, *, text: Callable[[Row], str] = row_text
) -> Filtered:
    """Rows whose prompt has no held-out run of words. Reasons: "held out", or "in NAME" for named evaluations.

    Args:
        heldout: the hashes of `load_heldout`, or `evaluations` by name.
        text: what of a row counts; pass one that joins the answers to look at those too.
    """
    return keep(rows, list(contaminated(map(text, rows), heldout)))


def contaminated(texts: Iterable[str], heldout: Set[str] | Evaluations) -> Iterator[str]:
    """The reason of `decontaminate` for each text of a stream, "" for clean ones."""
    if isinstance(heldout, Evaluations):
        return in_evaluations(texts, heldout)
    return ("" if heldout.isdisjoint(ngram_hashes(text)) else "held out" for text in texts)
