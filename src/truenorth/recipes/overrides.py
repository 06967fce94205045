"""Settings from the command line: `--set lr=1e-5`, checked by name and type before anything runs."""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from dataclasses import Field, fields, replace
from typing import Any

from truenorth.base import UserError
from truenorth.recipes.settings import Settings


def with_overrides(settings: Settings, given: Sequence[str]) -> Settings:
    """The settings with each NAME=VALUE put in place.

    Raises:
        UserError: not NAME=VALUE, no such setting (with the nearest), a value of another type or range.

    >>> with_overrides(Settings(), ["lr=1e-5"]).lr
    1e-05
    """
    known = {field.name: field for field in fields(Settings)}
    values: dict[str, Any] = {}
    for word in given:
        name, equals, text = word.partition("=")
        if not equals:
            raise UserError(f"{word!r} sets nothing", where="--set", expected="NAME=VALUE, such as lr=1e-5")
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            fix = f"did you mean {near[0]}?" if near else ""
            raise UserError(
                f"no setting {name!r}", where="--set", expected="one of " + ", ".join(known), fix=fix
            )
        values[name] = value_of(known[name], text)
        if name == "held_prompts" and values[name] < 1:
            fix = f"left out it is {settings.held_prompts}"
            raise UserError(
                "no prompt would watch the training", where="held_prompts", expected="1 or more", fix=fix
            )
    return replace(settings, **values)


def value_of(field: Field[Any], text: str) -> Any:
    """The text as a value of the field's type."""
    where = f"--set {field.name}"
    kind = str(field.type)
    if kind == "bool":
        if text.lower() not in ("true", "false"):
            raise UserError(f"{text!r}", where=where, expected="true or false")
        return text.lower() == "true"
    if kind == "str":
        return text
    try:
        value = int(text) if kind == "int" else float(text)
    except ValueError as error:
        expected = "a whole number" if kind == "int" else "a number"
        raise UserError(f"{text!r} is not {expected}", where=where, expected=expected) from error
    if not math.isfinite(value) or value < 0 or (field.name == "lr" and value == 0):
        raise UserError(f"{text!r} is out of range", where=where, expected="a finite number, not below 0")
    return value
