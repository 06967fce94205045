"""The folder is the catalogue: `learn/objectives/dpo.py` defines `dpo`, found lazily by its name."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import pkgutil
from typing import Any

from truenorth.base.errors import UserError


def names(package: str) -> list[str]:
    """The public entries of a catalogue package (`truenorth.learn.objectives`), sorted."""
    spec = importlib.util.find_spec(package)
    assert spec is not None, package
    found = pkgutil.iter_modules(spec.submodule_search_locations or [])
    return sorted(m.name for m in found if not m.name.startswith("_"))


def find(package: str, name: str, *, where: str = "") -> Any:
    """The object that `name` names: an entry of the catalogue, or `package.module:object` from anywhere.

    Naming code by `module:object` imports that module. Callers that read names from files people share
    (constitutions, recipes) must ask for permission first (`--allow-code`).

    Raises:
        UserError: no such name, with the nearest ones.
    """
    if ":" in name:
        module_name, _, attribute = name.partition(":")
        try:
            return getattr(importlib.import_module(module_name), attribute)
        except (ImportError, AttributeError) as error:
            raise UserError(f"cannot import {name!r} ({error})", where=where) from error
    known = names(package)
    if name not in known:
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else ""
        raise UserError(
            f"unknown name {name!r}", where=where, expected="one of " + ", ".join(known), fix=hint
        )
    return getattr(importlib.import_module(f"{package}.{name}"), name)
