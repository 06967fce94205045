"""The answer is JSON of a given shape."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from truenorth.base import UserError
from truenorth.judges._json_schema import fits, usable
from truenorth.judges.checks._text import Patterns, applies

FENCED = re.compile(r"\s*```(?:json)?[ \t]*\n(.*?)\n?```\s*", re.DOTALL | re.IGNORECASE)


def json_schema(
    prompt: str,
    text: str,
    /,
    *,
    schema: Mapping[str, Any] | None = None,
    path: str = "",
    when_prompt: Patterns = (),
    folder: str = "",
) -> float | None:
    """1 if the whole answer (or the one fenced block it is) is JSON that fits the schema, else 0.

    Args:
        schema: a JSON Schema; without one any JSON will do.
        path: a file that holds it, relative to `folder`.

    >>> json_schema("", '{"age": "7"}', schema={"properties": {"age": {"type": "integer"}}})
    0.0
    """
    if not applies(when_prompt, prompt):
        return None
    wanted = _read(str(Path(folder) / path)) if path else (True if schema is None else schema)
    fenced = FENCED.fullmatch(text)
    try:
        value = json.loads(fenced[1] if fenced else text, parse_constant=_no_number)
    except (ValueError, RecursionError):
        usable(
            wanted
        )  # also on the first try of the check, so that a schema's mistake is told before the work
        return 0.0
    try:
        return float(fits(value, wanted))
    except RecursionError:  # hundreds of brackets inside one another
        return 0.0


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


@lru_cache(maxsize=64)
def _read(path: str) -> Any:
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        fix = "give a path relative to the constitution's folder"
        raise UserError(f"cannot read the schema ({error})", where=path, fix=fix) from error
