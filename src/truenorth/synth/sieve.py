"""Files through filters in batches: read once to decide, once more to copy what stays, never held in memory.

A decider is a function from the texts of all rows, as a stream, to a reason a row to drop it, "" to keep it.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice, tee
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from truenorth.base import UserError
from truenorth.records.batches import check_suffix, read_batches, write_batches
from truenorth.synth.diverse import k_centre, unlike
from truenorth.synth.embed import BATCH, Embed
from truenorth.synth.information import most_information, soft_labels
from truenorth.synth.scrub import each_text

Decide = Callable[[Iterable[str]], Iterable[str]]
Plain = Mapping[str, Any]
COLUMNS = ("prompt", "messages", "text", "instruction", "question")  # the first that is there is read
SHOWN = 60  # characters of an example


class Example(NamedTuple):
    row: int  # 0-based
    text: str


class Sifted(NamedTuple):
    """What became of a file's rows: `dropped` counts reasons, `examples` has the first row of each."""

    rows: int
    kept: int
    dropped: dict[str, int]
    examples: dict[str, Example]


def text_of(row: Plain, columns: Sequence[str]) -> str:
    """The words of these columns: texts as they are, chats turn by turn, what is missing as nothing."""
    return "\n".join(filter(None, (_words(row.get(name)) for name in columns)))


def _words(value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, (list, tuple)):
        return "\n".join(
            filter(None, (_words(v.get("content") if isinstance(v, Mapping) else v) for v in value))
        )
    return str(value)


def columns_of(path: str | Path, given: Sequence[str] = ()) -> list[str]:
    """The columns to read: those given, else the first of COLUMNS that the file has.

    Raises:
        UserError: the file is empty, or has none of them.
    """
    first = next(read_batches(path, size=256), [])
    known = list(dict.fromkeys(name for row in first for name in row))
    if not known:
        raise UserError("no rows", where=str(path), expected="at least one row")
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            fix = f"did you mean {near[0]}?" if near else ""
            raise UserError(
                f"no column {name!r}", where=str(path), expected="one of " + ", ".join(known), fix=fix
            )
    found = list(given) or [name for name in COLUMNS if name in known][:1]
    if not found:
        what = f"no column named {', '.join(COLUMNS)}"
        raise UserError(what, where=str(path), fix=f"say which with --column, one of {', '.join(known)}")
    return found


def texts_of(path: str | Path, columns: Sequence[str]) -> Iterator[str]:
    """The text of each row of a table, in order, a batch in memory at a time."""
    for batch in read_batches(path):
        yield from (text_of(row, columns) for row in batch)


def sieve(
    path: str | Path,
    out: str | Path,
    decide: Decide,
    *,
    columns: Sequence[str],
    dropped: str | Path | None = None,
) -> Sifted:
    """Write the rows of `path` that `decide` keeps to `out`, and the others, with their `reason`, to `dropped`.

    Raises:
        UserError: an unknown kind of file, one file for two purposes, or what reading and writing raise.
    """
    paths = [Path(p).resolve() for p in (path, out, dropped) if p is not None]
    if dropped is not None and paths[2] in paths[:2]:
        what = "written twice" if paths[2] == paths[1] else "the same file is read and written"
        raise UserError(what, where=str(dropped), fix="give --dropped another name")
    if paths[1] == paths[0]:
        raise UserError("the same file is read and written", where=str(out), fix="give --out another name")
    for written in paths[1:]:
        check_suffix(written)
    said: dict[str, str] = {}  # one string a reason, however many rows have it
    reasons = [said.setdefault(reason, reason) for reason in decide(texts_of(path, columns))]
    examples: dict[str, Example] = {}

    def these(keep: bool) -> Iterator[list[Plain]]:
        at = 0
        for batch in read_batches(path):
            of_batch = reasons[at : at + len(batch)]
            for i, (row, reason) in enumerate(zip(batch, of_batch, strict=True)):
                if reason and reason not in examples:
                    examples[reason] = Example(
                        at + i, " ".join(text_of(row, columns)[: 4 * SHOWN].split())[:SHOWN]
                    )
            if keep:
                yield [row for row, reason in zip(batch, of_batch) if not reason]
            else:
                yield [{**row, "reason": reason} for row, reason in zip(batch, of_batch) if reason]
            at += len(batch)

    write_batches(out, these(True))
    if dropped is not None:
        write_batches(dropped, these(False))
    counts = Counter(reasons)
    kept = counts.pop("", 0)
    return Sifted(len(reasons), kept, dict(counts.most_common()), examples)


def change(
    path: str | Path, out: str | Path, of_text: Callable[[str], str], *, columns: Sequence[str] = ()
) -> tuple[int, int]:
    """Write the rows of `path` to `out` with every text in these columns (all by default) changed. Returns rows, and
    rows that are different now.

    Raises:
        UserError: `out` is the file that is read.
    """
    if Path(path).resolve() == Path(out).resolve():
        raise UserError("the same file is read and written", where=str(out), fix="give --out another name")
    rows = changed = 0

    def made() -> Iterator[list[Plain]]:
        nonlocal rows, changed
        for batch in read_batches(path):
            new: list[Plain] = [
                {
                    name: each_text(v, of_text) if not columns or name in columns else v
                    for name, v in row.items()
                }
                for row in batch
            ]
            rows += len(batch)
            changed += sum(a != b for a, b in zip(batch, new))
            yield new

    write_batches(out, made())
    return rows, changed


def all_of(deciders: Sequence[Decide]) -> Decide:
    """The first reason that one of them has, text by text; for deciders that stream."""

    def decide(texts: Iterable[str]) -> Iterator[str]:
        for reasons in zip(*(d(t) for d, t in zip(deciders, tee(texts, len(deciders)))), strict=True):
            yield next(filter(None, reasons), "")

    return decide


def vectors(texts: Iterable[str], embed: Embed) -> NDArray[np.float32]:
    """(N, D): embeddings of a stream; the texts are not kept, the vectors are."""
    stream = iter(texts)
    parts = []
    while batch := list(islice(stream, BATCH)):
        parts.append(np.asarray(embed(batch), np.float32))
    return np.concatenate(parts) if parts else np.empty((0, 0), np.float32)


def select_diverse(embed: Embed, limit: int) -> Decide:
    """Keep the `limit` texts farthest from one another (k-centre). Reason: "near a kept one"."""
    return lambda texts: _chosen(
        vectors(texts, embed), lambda x: k_centre(x, min(limit, len(x))).picks, "near a kept one"
    )


def select_unlike(
    embed: Embed, limit: int, scores: Sequence[float | None] | None = None, *, most: float = 0.9
) -> Decide:
    """Keep the best `limit` texts by score that are not too like a better one: Deita's filter. Without scores, the
    earlier is the better. Reasons: "no score", "like a better one, or after the last"."""

    def pick(x_ND: NDArray[np.float32]) -> list[int]:
        known = range(len(x_ND)) if scores is None else [i for i, s in enumerate(scores) if s is not None]
        order = list(known) if scores is None else sorted(known, key=lambda i: -scores[i])  # type: ignore[operator]
        return [order[k] for k in unlike(x_ND[order], most=most, limit=limit)]

    def decide(texts: Iterable[str]) -> list[str]:
        reasons = _chosen(vectors(texts, embed), pick, "like a better one, or after the last")
        missing = {i for i, s in enumerate(scores or ()) if s is None}
        return ["no score" if i in missing else reason for i, reason in enumerate(reasons)]

    return decide


def select_information(
    embed: Embed, limit: int, scores: Sequence[float | None] | None = None, *, labels: int = 256
) -> Decide:
    """Keep the `limit` texts that say most together. A missing score weighs nothing. Reason: "adds less"."""

    def pick(x_ND: NDArray[np.float32]) -> list[int]:
        weights = None if scores is None else [max(0.0, s or 0.0) for s in scores]
        return most_information(soft_labels(x_ND, labels), min(limit, len(x_ND)), quality=weights).picks

    return lambda texts: _chosen(vectors(texts, embed), pick, "adds less")


def _chosen(
    x_ND: NDArray[np.float32], pick: Callable[[NDArray[np.float32]], list[int]], reason: str
) -> list[str]:
    reasons = [reason] * len(x_ND)
    for row in pick(x_ND) if len(x_ND) else ():
        reasons[row] = ""
    return reasons
