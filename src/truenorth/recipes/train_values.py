"""Values of arguments: from a YAML file or as text, to the type that each argument has."""

from __future__ import annotations

import difflib
import math
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from truenorth.base import UserError, unreadable


def read_value(name: str, value: Any, hint: Any) -> Any:
    """A value from the command line (text) or YAML as the type that an argument has.

    Raises:
        UserError: it is not of that type.
    """
    where = f"--{name}"
    options = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    if value is None or (isinstance(value, str) and value.lower() in ("none", "null")):
        if NoneType in options:
            return None
        raise UserError("no value", where=where, expected=_words(options[0]))
    kind = next(o for o in options if o is not NoneType)
    if get_origin(kind) is Literal:
        if value is False and "no" in get_args(kind):  # YAML reads a bare no as false
            return "no"
        if value not in get_args(kind):
            near = difflib.get_close_matches(str(value), get_args(kind), n=1)
            fix = f"did you mean {near[0]}?" if near else ""
            raise UserError(
                f"{value!r}", where=where, expected="one of " + ", ".join(get_args(kind)), fix=fix
            )
        return value
    if get_origin(kind) is tuple:
        return tuple(listed(value))
    if kind is bool:
        known = {"true": True, "false": False, "1": True, "0": False, "yes": True, "no": False}
        if str(value).lower() not in known:
            raise UserError(f"{value!r}", where=where, expected="true or false")
        return known[str(value).lower()]
    if kind in (int, float):
        return _number(kind, value, where)
    if isinstance(kind, type) and issubclass(kind, str):
        return str(value)
    return value  # mappings of an objective, as YAML gives them


def _number(kind: type, value: Any, where: str) -> int | float:
    expected = "a whole number" if kind is int else "a number"
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise UserError(f"{value!r} is not {expected}", where=where, expected=expected) from error
    if not math.isfinite(number) or (kind is int and number != int(number)) or isinstance(value, bool):
        raise UserError(f"{value!r} is not {expected}", where=where, expected=expected)
    return int(number) if kind is int else number


def _words(kind: Any) -> str:
    return {int: "a whole number", float: "a number", bool: "true or false"}.get(kind, "text")


def listed(value: Any) -> list[str]:
    """Words of a list, or of a text with commas or spaces between them."""
    if isinstance(value, str):
        return value.replace(",", " ").strip("[] ").split()
    return [str(v) for v in value] if isinstance(value, (list, tuple)) else [str(value)]


def from_yaml(path: str | Path) -> dict[str, Any]:
    """Arguments of a YAML file, dashes or underscores.

    Raises:
        UserError: it cannot be read, or is not a mapping.
    """
    import yaml

    try:
        found = yaml.safe_load(Path(path).read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise unreadable(path, error) from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{path}, line {mark.line + 1}" if mark else str(path)
        raise UserError(f"not YAML ({error.problem or error.context})", where=where) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: a day such as 2026-13-45
        raise UserError(f"not YAML ({str(error).splitlines()[0]})", where=str(path)) from error
    if not isinstance(found, dict):
        raise UserError("not a mapping", where=str(path), expected="lines such as learning_rate: 1e-6")
    return {str(name).replace("-", "_"): value for name, value in found.items()}
