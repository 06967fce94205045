"""An index of word runs of named texts, on disk and mapped into memory: is this text copied from one of them?

Eight bytes a run for its hash and two for whose it is, sorted; a look-up is a binary search in the file. The texts
themselves are not kept. Two different runs share a hash with probability 2^-64.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from truenorth.base import UserError, write_json
from truenorth.engine.atomic import whole_folder
from truenorth.synth.shingles import Hashes, word_runs

PARTS = 256  # by the first byte of the hash: one part is sorted in memory at a time
BATCH = 2048  # texts
MANIFEST = "index.json"
FILES = (MANIFEST, "hashes", "names")  # all that a finished index holds
ENTRY = np.dtype([("hash", "<u8"), ("name", "<u2")])


class Hits(NamedTuple):
    """What of a text is in the index. `share`: of its runs of the first size; `longest`: words in a row, all within
    known runs; `names`: runs in each of the named texts."""

    share: float
    longest: int
    names: dict[str, int]


@dataclass(frozen=True)
class NgramIndex:
    """Runs of `sizes` words of the texts called `names`: ascending hashes, and for each the place of its name."""

    names: tuple[str, ...]
    sizes: tuple[int, ...]
    hash_R: Hashes
    name_R: NDArray[np.uint16]

    @classmethod
    def of(cls, corpora: Mapping[str, Iterable[str]], *, sizes: Sequence[int] = (13,)) -> NgramIndex:
        """An index in memory."""
        sizes = _checked(sizes)
        parts = [part for at, texts in enumerate(corpora.values()) for part in _entries(texts, at, sizes)]
        entries = np.unique(np.concatenate([*parts, np.empty(0, ENTRY)]))
        return cls(tuple(corpora), sizes, entries["hash"].copy(), entries["name"].copy())

    @classmethod
    def build(
        cls, corpora: Mapping[str, Iterable[str]], folder: str | Path, *, sizes: Sequence[int] = (13,)
    ) -> NgramIndex:
        """An index on disk, whole or absent. Texts stream; memory is that of one part in 256 of the index.

        Raises:
            UserError: sizes below 1, more than 65,535 names, a folder that holds anything but an index, or one that
                cannot be written.
        """
        if len(corpora) >= 1 << 16:
            raise UserError(f"{len(corpora)} names", where="index", expected="at most 65,535")
        sizes, folder = _checked(sizes), Path(folder)
        _free_for_an_index(folder)
        with whole_folder(folder) as part:
            with ExitStack() as stack:
                files = [stack.enter_context(open(part / f"{k:02x}", "wb")) for k in range(PARTS)]
                for at, texts in enumerate(corpora.values()):
                    for entries in _entries(texts, at, sizes):
                        for k, of_part in _by_part(entries):
                            files[k].write(of_part.tobytes())
            with open(part / "hashes", "wb") as hashes, open(part / "names", "wb") as names:
                for k in range(PARTS):
                    entries = np.unique(np.fromfile(part / f"{k:02x}", ENTRY))
                    hashes.write(entries["hash"].tobytes())
                    names.write(entries["name"].tobytes())
                    (part / f"{k:02x}").unlink()
            write_json(part / MANIFEST, {"names": list(corpora), "sizes": list(sizes)})
        return cls.open(folder)

    @classmethod
    def open(cls, folder: str | Path) -> NgramIndex:
        """The index of a folder, mapped: opening is instant and memory is what look-ups touch.

        Raises:
            UserError: no index there, or not whole.
        """
        folder = Path(folder)
        try:
            known = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
            hash_R, name_R = (
                _mapped(folder / name, kind) for name, kind in (("hashes", "<u8"), ("names", "<u2"))
            )
            made = cls(tuple(known["names"]), tuple(known["sizes"]), hash_R, name_R)
        except (OSError, ValueError, KeyError, TypeError) as error:
            expected = "a folder that an index was built in"
            why = getattr(error, "strerror", None) or error
            raise UserError(f"no index ({why})", where=str(folder), expected=expected) from error
        if len(hash_R) != len(name_R):
            raise UserError(
                f"{len(hash_R)} hashes, {len(name_R)} names", where=str(folder), fix="build it again"
            )
        return made

    def hits(self, texts: Sequence[str]) -> list[Hits]:
        """What of each text is known here."""
        found: list[dict[str, int]] = [{} for _ in texts]
        share_N, longest_N = np.zeros(len(texts)), np.zeros(len(texts), np.int64)
        for size in self.sizes:
            runs = word_runs(texts, size)
            first = np.searchsorted(self.hash_R, runs.values)
            known = first < len(self.hash_R)
            known[known] = self.hash_R[first[known]] == runs.values[known]
            if size == self.sizes[0]:
                of_text = np.bincount(runs.text.astype(np.int64), minlength=len(texts))
                share_N = np.bincount(runs.text[known].astype(np.int64), minlength=len(texts)) / np.maximum(
                    of_text, 1
                )
            for text, at in zip(runs.text[known], first[known]):
                self._count(found[int(text)], int(at))
            longest_N = np.maximum(longest_N, _longest(runs.text[known], runs.place[known], size, len(texts)))
        return [Hits(float(s), int(n), names) for s, n, names in zip(share_N, longest_N, found)]

    def _count(self, names: dict[str, int], at: int) -> None:
        """Every name that has the run at `at` and those of the same hash after it."""
        said = self.hash_R[at]
        while at < len(self.hash_R) and self.hash_R[at] == said:
            name = self.names[self.name_R[at]]
            names[name] = names.get(name, 0) + 1
            at += 1


def _free_for_an_index(folder: Path) -> None:
    """Raise UserError where a file, or a folder with anything but an index, would be replaced."""
    if folder.name in ("", ".."):  # "." cannot be replaced as a whole
        raise UserError("not a name for a new folder", where=str(folder), fix="choose another folder")
    if folder.exists() and not folder.is_dir():
        raise UserError("a file, not a folder", where=str(folder), fix="choose another folder")
    others = sorted({file.name for file in folder.iterdir()} - set(FILES)) if folder.is_dir() else []
    if others:
        what = f"holds other files ({', '.join(others[:3])}{', ...' if others[3:] else ''})"
        raise UserError(what, where=str(folder), fix="choose another folder")


def _longest(text: NDArray, place: NDArray, size: int, many: int) -> NDArray[np.int64]:
    """(many,): words of the longest row of neighbouring runs of each text; 0 without any."""
    result = np.zeros(many, np.int64)
    if len(text):
        text, place = text.astype(np.int64), place.astype(np.int64)
        breaks = np.flatnonzero((np.diff(text) != 0) | (np.diff(place) != 1)) + 1
        starts, ends = np.append(0, breaks), np.append(breaks, len(text))
        np.maximum.at(result, text[starts], ends - starts + size - 1)
    return result


def _entries(texts: Iterable[str], name: int, sizes: Sequence[int]) -> Iterable[NDArray]:
    stream = iter(texts)
    while batch := list(islice(stream, BATCH)):
        for size in sizes:
            values = np.unique(word_runs(batch, size).values)
            entries = np.empty(len(values), ENTRY)
            entries["hash"], entries["name"] = values, name
            yield entries


def _by_part(entries: NDArray) -> Iterable[tuple[int, NDArray]]:
    """Ascending entries by the first byte of their hash."""
    edges = np.searchsorted(entries["hash"], np.arange(PARTS, dtype=np.uint64) << np.uint64(56))
    for k, (first, last) in enumerate(zip(edges, [*edges[1:], len(entries)])):
        if last > first:
            yield k, entries[first:last]


def _mapped(path: Path, kind: str) -> NDArray:
    """A file as an array; an empty one cannot be mapped."""
    return np.memmap(path, kind, "r") if path.stat().st_size else np.empty(0, kind)


def _checked(sizes: Sequence[int]) -> tuple[int, ...]:
    if not sizes or min(sizes) < 1:
        raise UserError(f"runs of {list(sizes)} words", where="index", expected="1 or more")
    return tuple(sizes)
