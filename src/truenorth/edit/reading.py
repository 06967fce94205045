"""Pieces of a model's tensor: as stored, with its LoRA update, in the result's vocabulary."""

from __future__ import annotations

import numpy as np

from truenorth.edit.models import Part
from truenorth.edit.storage import read


def piece(part: Part, start: int, size: int, *, work: type = np.float32) -> np.ndarray:
    """(size,) elements of a tensor from flat index `start` on, float32 or float64."""
    if part.rows:
        return _over_rows(part, start, size, _mixed)
    if part.delta is not None:
        return _over_rows(part, start, size, _updated)
    return read(part.stored, start, size, work=work)


def _over_rows(part: Part, start: int, size: int, rows) -> np.ndarray:
    """The same, of something that is made in whole rows."""
    columns = part.shape[1]
    first, last = start // columns, -(-(start + size) // columns)
    return rows(part, first, last).reshape(-1)[start - first * columns :][:size]


def _updated(part: Part, first: int, last: int) -> np.ndarray:
    columns = part.shape[1]
    values = read(part.stored, first * columns, (last - first) * columns).reshape(-1, columns)
    assert part.delta is not None
    values += part.delta.rows(first, last)
    return values


def _mixed(part: Part, first: int, last: int) -> np.ndarray:
    columns = part.shape[1]
    values = np.zeros((last - first, columns), np.float32)
    for source, index, weight in part.rows:
        used = np.flatnonzero(weight[first:last])
        for run in np.split(used, np.flatnonzero(np.diff(index[first:last][used]) != 1) + 1):
            # a run of neighbours in the file is read at once, wherever its rows go
            if len(run):
                taken = piece(source, int(index[first + run[0]]) * columns, len(run) * columns)
                values[run] += taken.reshape(-1, columns) * weight[first + run][:, None]
    return values
