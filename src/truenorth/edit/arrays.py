"""Arrays of either library: methods run on NumPy (no torch to import) and, with a device, on torch tensors.

Both libraries know the functions that methods use (`abs`, `sign`, `sum`, `linalg.svd`, ...) by the same name;
`library(x)` says which one to call. bfloat16, which NumPy lacks, is widened to float32 bit by bit.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

Array = Any  # a numpy.ndarray or a torch.Tensor

# safetensors' names: bytes an element, and NumPy's type (bfloat16 and the 8-bit floats have none)
WIDTH = {
    "F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1,
    "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U64": 8, "U32": 4, "U16": 2, "U8": 1, "BOOL": 1,
}  # fmt: skip
NUMPY = {"F64": np.float64, "F32": np.float32, "F16": np.float16, "BF16": np.uint16}
FLOATS = tuple(NUMPY)  # the types that methods read
NAMES = {"float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16"}
TORCH_NAME = {short: long for long, short in NAMES.items()}


def library(x: Array) -> Any:
    """The module whose functions take `x`: numpy or torch."""
    return np if isinstance(x, np.ndarray) else sys.modules["torch"]


def widen(raw: np.ndarray, dtype: str, work: Any = np.float32) -> np.ndarray:
    """Stored numbers of a safetensors type as float32 (or float64), exactly."""
    if dtype == "BF16":
        wide = raw.astype(np.uint32)
        wide <<= 16
        return wide.view(np.float32).astype(work, copy=False)
    return raw.astype(work, copy=False)


def narrow(values: np.ndarray, dtype: str) -> np.ndarray:
    """Numbers rounded to a safetensors type, to nearest and ties to even, ready to be written.

    Beyond the largest float16 the result is infinite, as in torch.
    """
    if dtype == "BF16":
        bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
        rounded = bits + (np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1)))
        rounded >>= np.uint32(16)
        short = rounded.astype(np.uint16)
        short[np.isnan(values)] = 0x7FC0  # rounding could carry a NaN's bits into an infinity
        return short
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(values, NUMPY[dtype])


def rounded(values: np.ndarray, dtype: str) -> np.ndarray:
    """`values` as they are after a trip through a type: what `dtype: bfloat16` does to inputs."""
    return widen(narrow(values, dtype), dtype, values.dtype)


def to_numpy(x: Array) -> np.ndarray:
    """The same numbers as a NumPy array in this machine's memory."""
    return x.detach().cpu().numpy() if hasattr(x, "detach") else np.asarray(x)


def double(x: Array) -> Array:
    """In float64, where sums over a whole tensor are taken."""
    return x.astype(np.float64) if isinstance(x, np.ndarray) else x.double()


def argsort(x: Array) -> Array:
    """Positions in rising order along the last axis; equal values in the order they stand."""
    return (
        np.argsort(x, axis=-1, kind="stable") if isinstance(x, np.ndarray) else x.argsort(dim=-1, stable=True)
    )
