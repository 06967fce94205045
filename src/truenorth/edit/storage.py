"""safetensors files, read and written a piece at a time: headers first, then byte ranges.

The format is a length, a JSON header and the tensors' bytes (https://github.com/huggingface/safetensors). Pieces
are read with `pread` into small buffers, not mapped, so a merge's memory does not grow with its files.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import NamedTuple

import numpy as np

from truenorth.base import UserError
from truenorth.edit.arrays import NUMPY, WIDTH, widen

LARGEST_HEADER = 100_000_000  # bytes, the format's own limit


class Stored(NamedTuple):
    """Where one tensor lies: `offset` is the byte in the file at which it begins."""

    file: Path
    dtype: str
    shape: tuple[int, ...]
    offset: int

    @property
    def size(self) -> int:
        return prod(self.shape)

    @property
    def bytes(self) -> int:
        return self.size * WIDTH[self.dtype]


def header(file: Path) -> dict[str, Stored]:
    """Each tensor of a safetensors file.

    Raises:
        UserError: no such file, not safetensors, truncated, or a type that is not known.
    """
    try:
        with open(file, "rb") as opened:
            first = opened.read(8)
            length = struct.unpack("<Q", first)[0] if len(first) == 8 else LARGEST_HEADER + 1
            if length > LARGEST_HEADER:
                raise ValueError("no header")
            entries = json.loads(opened.read(length))
            size = os.fstat(opened.fileno()).st_size
    except OSError as error:
        raise UserError(f"cannot read ({error.strerror})", where=str(file)) from error
    except ValueError as error:
        raise UserError(
            "not a safetensors file, or damaged", where=str(file), fix="fetch it again"
        ) from error
    return stored(file, entries, 8 + length, size)


def stored(file: Path, entries: Mapping[str, dict], start: int, size: int | None) -> dict[str, Stored]:
    """The tensors that a header names; `start` is where the data begin, `size` the file's bytes if known."""
    found = {}
    for name, entry in entries.items():
        if name == "__metadata__":
            continue
        tensor = Stored(file, entry["dtype"], tuple(entry["shape"]), start + entry["data_offsets"][0])
        if tensor.dtype not in WIDTH:
            known = ", ".join(WIDTH)
            raise UserError(f"{name} is of type {tensor.dtype}", where=str(file), expected=f"one of {known}")
        if size is not None and tensor.offset + tensor.bytes > size:
            raise UserError(f"truncated: {name} ends after it", where=str(file), fix="fetch it again")
        found[name] = tensor
    return found


def read(tensor: Stored, start: int = 0, size: int | None = None, *, work: type = np.float32) -> np.ndarray:
    """(size,) elements from flat index `start` on, in float32 or float64 (integers as they are)."""
    size = tensor.size - start if size is None else size
    kind = NUMPY.get(tensor.dtype)
    width = WIDTH[tensor.dtype]
    raw = np.empty(size * width, np.uint8)
    read_into(tensor.file, raw.data, tensor.offset + start * width)
    return widen(raw.view(kind), tensor.dtype, work) if kind else raw


def read_into(file: Path, buffer: memoryview, offset: int) -> None:
    """Fill `buffer` from a place in a file.

    Raises:
        UserError: the file ends before that.
    """
    handle, done = handle_of(file), 0
    while done < len(buffer):
        got = os.preadv(handle, [buffer[done:]], offset + done)
        if not got:
            raise UserError("it became shorter while it was read", where=str(file))
        done += got


_HANDLES: dict[Path, int] = {}


def handle_of(file: Path) -> int:
    """A descriptor for reading, opened once and shared by threads (`pread` keeps no position)."""
    handle = _HANDLES.get(file)
    if handle is None:
        handle = _HANDLES.setdefault(file, os.open(file, os.O_RDONLY))
    return handle


def close_all() -> None:
    """Close the files that `read` opened."""
    while _HANDLES:
        os.close(_HANDLES.popitem()[1])


class Layout(NamedTuple):
    """A file to be written: its header, and the byte at which each tensor begins."""

    header: bytes
    offsets: dict[str, int]
    size: int


def layout(tensors: Mapping[str, tuple[str, Sequence[int]]]) -> Layout:
    """Place tensors (name -> type and shape) one after another, as safetensors wants them: no gaps."""
    entries: dict[str, object] = {"__metadata__": {"format": "pt"}}
    place, at = {}, 0
    # wide types first: then every tensor begins at a multiple of its element's width
    for name in sorted(tensors, key=lambda name: -WIDTH[tensors[name][0]]):
        dtype, shape = tensors[name]
        size = prod(shape) * WIDTH[dtype]
        entries[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [at, at + size]}
        place[name] = at
        at += size
    text = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    start = 8 + len(text)
    return Layout(struct.pack("<Q", len(text)) + text, {n: start + o for n, o in place.items()}, start + at)


def write_at(handle: int, data: np.ndarray, offset: int) -> None:
    """Write an array's bytes to a place in an open file."""
    view = np.ascontiguousarray(data).reshape(-1).view(np.uint8).data
    done = 0
    while done < len(view):
        done += os.pwrite(handle, view[done:], offset + done)
