"""Settings of steps read as the type that the step declares: YAML and the command line write numbers as text too."""

from __future__ import annotations

import difflib
import inspect
import math
import re
from collections.abc import Callable
from typing import Annotated, Any, get_args, get_origin

from truenorth.base import UserError


def typed(value: Any, hint: Any, where: str, default: Any = inspect.Parameter.empty) -> Any:
    """The value as its setting's type: a number may be written as text (5e-4), and "null" is None.

    Args:
        default: what the setting is when it is left out, for the message.

    Raises:
        UserError: of another type, or beyond the limits that the type has (`run_limits`).
    """
    options = get_args(hint) if type(None) in get_args(hint) else (hint,)
    fix = "" if default is inspect.Parameter.empty else f"left out it is {_shown(default)}"
    for option in options:
        kind, *limits = get_args(option) if get_origin(option) is Annotated else (option,)
        reader = READERS.get(getattr(kind, "__origin__", kind))
        if reader is None:
            raise UserError(f"a setting cannot be of type {kind}", where=where, expected=READABLE)
        read = reader(value)
        if read is MISREAD:
            continue
        for limit in limits:
            if not limit.fits(read):
                nearest = difflib.get_close_matches(str(read), limit.names, n=1)
                meant = f"did you mean {nearest[0]}?" if nearest else fix
                raise UserError(f"{_shown(read)}", where=where, expected=limit.expected, fix=meant)
        return read
    kinds = [get_args(o)[0] if get_origin(o) is Annotated else o for o in options]
    expected = " or ".join(getattr(kind, "__name__", str(kind)) for kind in kinds)
    raise UserError(f"{value!r}", where=where, expected=expected.replace("NoneType", "null"), fix=fix)


def _shown(value: Any) -> str:
    """As it would be written in YAML."""
    if isinstance(value, tuple):
        return f"[{', '.join(map(str, value))}]"
    return "null" if value is None else repr(value)


def _none(value: Any) -> Any:
    return None if value in (None, "null") else MISREAD


def _bool(value: Any) -> Any:
    return {"true": True, "false": False}.get(str(value).lower(), MISREAD)


def _int(value: Any) -> Any:
    return int(str(value)) if WHOLE.fullmatch(str(value)) else MISREAD


def _float(value: Any) -> Any:
    read = float(str(value)) if NUMBER.fullmatch(str(value)) else math.inf
    return read if math.isfinite(read) else MISREAD


def _str(value: Any) -> Any:
    return value if isinstance(value, str) else MISREAD


def _words(value: Any) -> Any:
    if isinstance(value, str):
        return tuple(word.strip() for word in value.split(","))
    return tuple(map(str, value)) if isinstance(value, (list, tuple)) else MISREAD


MISREAD = object()
WHOLE, NUMBER = re.compile(r"-?\d+"), re.compile(r"-?\d+(\.\d*)?(e[-+]?\d+)?", re.IGNORECASE)
READABLE = "bool, int, float, str or tuple[str, ...], perhaps Annotated with limits or | None"
READERS: dict[Any, Callable[[Any], Any]] = {
    type(None): _none,
    bool: _bool,
    int: _int,
    float: _float,
    str: _str,
    tuple: _words,
}
