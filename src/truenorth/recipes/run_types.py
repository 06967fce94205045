"""Settings of steps read as the type that the step declares: YAML and the command line write numbers as text too."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, get_args

from truenorth.base import UserError


def typed(value: Any, hint: Any, where: str) -> Any:
    """The value as its setting's type: a number may be written as text (5e-4), and "null" is None.

    Raises:
        UserError: of another type.
    """
    options = [k for k in get_args(hint) if isinstance(k, type)] if type(None) in get_args(hint) else [hint]
    for kind in options:
        read = READERS[getattr(kind, "__origin__", kind)](value)
        if read is not MISREAD:
            return read
    expected = " or ".join(getattr(kind, "__name__", str(kind)) for kind in options)
    raise UserError(f"{value!r}", where=where, expected=expected.replace("NoneType", "null"))


def _none(value: Any) -> Any:
    return None if value in (None, "null") else MISREAD


def _bool(value: Any) -> Any:
    return {"true": True, "false": False}.get(str(value).lower(), MISREAD)


def _int(value: Any) -> Any:
    return int(str(value)) if WHOLE.fullmatch(str(value)) else MISREAD


def _float(value: Any) -> Any:
    return float(str(value)) if NUMBER.fullmatch(str(value)) else MISREAD


def _str(value: Any) -> Any:
    return value if isinstance(value, str) else MISREAD


def _words(value: Any) -> Any:
    if isinstance(value, str):
        return tuple(word.strip() for word in value.split(","))
    return tuple(map(str, value)) if isinstance(value, (list, tuple)) else MISREAD


MISREAD = object()
WHOLE, NUMBER = re.compile(r"-?\d+"), re.compile(r"-?\d+(\.\d*)?(e[-+]?\d+)?", re.IGNORECASE)
READERS: dict[Any, Callable[[Any], Any]] = {
    type(None): _none,
    bool: _bool,
    int: _int,
    float: _float,
    str: _str,
    tuple: _words,
}
