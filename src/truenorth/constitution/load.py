"""Read a constitution, or say everything that is wrong with the file at once, with line numbers."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from truenorth.base import UserError, unreadable
from truenorth.constitution.schema import (
    MEASURES,
    AppliesWhen,
    Check,
    Constitution,
    Example,
    Principle,
    Scope,
)
from truenorth.constitution.source import Problem, Source, read_markdown, read_yaml

SHIPPED = Path(__file__).parent / "shipped"
MODELS: dict[str, type[BaseModel]] = {
    "principles": Principle,
    "scope": Scope,
    "applies_when": AppliesWhen,
    "checks": Check,
    "examples": Example,
}


def shipped() -> list[str]:
    """The names of the constitutions that come with the package."""
    return sorted(path.stem for path in SHIPPED.glob("*.yaml"))


def load(path_or_name: str | Path, *, allow_code: bool = False) -> Constitution:
    """The constitution of a file (.yaml, .yml, .md), or a shipped one by name.

    Args:
        allow_code: accept principles that name code as `package.module:function`. Nothing is imported here,
            but whoever compiles or measures them will run that code.

    Raises:
        UserError: no such file, or everything that is wrong in it, a line each.
    """
    path = locate(path_or_name)
    found, problems = read(path, allow_code=allow_code)
    if found is None:
        lines = [problem.at(str(path)) for problem in problems]
        count = f"{len(lines)} problems" if len(lines) > 1 else ""
        raise UserError("\n".join([f"{count}:", *lines] if count else lines))
    return found


def locate(path_or_name: str | Path) -> Path:
    """The file meant: one that exists, or a shipped name.

    Raises:
        UserError: neither, with the nearest shipped name.
    """
    path, name = Path(path_or_name), str(path_or_name)
    if path.is_file():
        return path
    if name in shipped():
        return SHIPPED / f"{name}.yaml"
    near = difflib.get_close_matches(name, shipped(), n=1)
    hint = f"did you mean {near[0]}?" if near else ""
    expected = "a file .yaml or .md, or one of " + ", ".join(shipped())
    raise UserError(f"no constitution {name!r}", expected=expected, fix=hint)


def read(path: Path, *, allow_code: bool = False) -> tuple[Constitution | None, list[Problem]]:
    """The constitution and no problem, or None and every problem of the file, in the order of its lines."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        return None, [Problem(None, "", unreadable("", error).what)]
    source = read_markdown(text) if path.suffix.lower() in (".md", ".markdown") else read_yaml(text)
    return check(source, path, allow_code=allow_code)


def check(source: Source, path: Path, *, allow_code: bool) -> tuple[Constitution | None, list[Problem]]:
    """A constitution from what was read, or None; and everything that is wrong with it, with lines."""
    problems = list(source.problems)
    if not isinstance(source.data, dict):
        if not problems:
            what = "empty" if source.data is None else "not a mapping"
            problems.append(Problem(1, "", f"{what}; expected name, version and principles"))
        return None, problems
    found: Constitution | None = None
    try:
        found = Constitution.model_validate(source.data)
    except ValidationError as error:
        found_wrong = [dict(e) for e in error.errors(include_url=False)]
        problems += [_problem(e, source) for e in found_wrong if not _follows_from_others(e, source)]
    entries = source.data.get("principles")
    principles = [e if isinstance(e, dict) else {} for e in entries] if isinstance(entries, list) else []
    problems += _repeated_ids(principles, source) + _references(principles, source, allow_code)
    if found is None or problems:
        return None, sorted(problems, key=lambda p: p.line or 0)
    found._path, found._lines = path, source.lines
    return found, []


def _follows_from_others(error: dict[str, Any], source: Source) -> bool:
    """Errors that `_repeated_ids` reports better, and "empty" when it means "none without errors"."""
    if error["type"] != "too_short":
        return bool(error["type"] == "duplicate_id")
    given: Any = source.data
    for part in error["loc"]:
        given = given[part]
    return bool(given)


def _repeated_ids(principles: list[dict[str, Any]], source: Source) -> list[Problem]:
    first: dict[str, str] = {}
    problems = []
    for i, entry in enumerate(principles):
        name, path = str(entry.get("id")), f"principles[{i}].id"
        if "id" in entry and name in first:
            what = f"the id {name!r} is used twice (first on line {_line(source, first[name])})"
            problems.append(Problem(_line(source, path), path, what))
        first.setdefault(name, path)
    return problems


def _references(principles: list[dict[str, Any]], source: Source, allow_code: bool) -> list[Problem]:
    """Code named without permission, and measures that name nothing."""
    problems = []
    for i, entry in enumerate(principles):
        measure, where = entry.get("measured_by"), f"principles[{i}].measured_by"
        named = [(f"principles[{i}].checks[{k}]", n) for k, n in _check_names(entry) if ":" in n]
        if isinstance(measure, str) and measure:
            prefix, colon, rest = measure.partition(":")
            if not colon or not prefix or not rest:
                kinds = ", ".join(f"{kind}:NAME" for kind in MEASURES)
                what = f"{measure!r} names no measure; expected {kinds} or package.module:function"
                problems.append(Problem(_line(source, where), where, what))
            elif prefix not in MEASURES:
                named.append((where, measure))
        for at, name in named if not allow_code else []:
            what = f"names code ({name}), which is run only with --allow-code"
            problems.append(Problem(_line(source, at), at, what))
    return problems


def _check_names(entry: dict[str, Any]) -> list[tuple[int, str]]:
    checks = entry.get("checks")
    names = [
        (k, check if isinstance(check, str) else next(iter(check), ""))
        for k, check in enumerate(checks if isinstance(checks, list) else [])
        if isinstance(check, (str, dict))
    ]
    return [(k, str(name)) for k, name in names]


def _problem(error: dict[str, Any], source: Source) -> Problem:
    """One of pydantic's errors as a line of the file and words people use."""
    loc, kind, given = list(error["loc"]), error["type"], error.get("input")
    context = error.get("ctx", {})
    path = _path(loc)
    line = _line(source, path)
    if kind == "missing":
        what = "missing"
    elif kind == "extra_forbidden":
        what = "unknown key" + _nearest(loc)
    elif kind == "literal_error":
        what = f"{given!r} is not allowed; expected {context['expected']}"
    elif kind == "string_pattern_mismatch":
        what = f"{given!r} is not allowed; expected lower-case letters, digits, _ and -"
    elif kind == "too_short":
        what = "empty; expected at least one"
    elif kind in ("dict_type", "model_type"):
        what = (
            f"expected {'settings' if loc[-1] == 'settings' else 'fields'} (key: value), not {_shown(given)}"
        )
    elif kind in ("pattern", "blank", "scope", "example"):
        what = error["msg"] + (f": {given!r}" if kind == "pattern" and isinstance(given, str) else "")
    else:
        what = f"{error['msg'][0].lower()}{error['msg'][1:]}, not {_shown(given)}"
    return Problem(line, path, what)


def _nearest(loc: list[Any]) -> str:
    """The known keys beside an unknown one: the nearest, or all of them."""
    parents = [MODELS[part] for part in loc[:-1] if part in MODELS]
    model = parents[-1] if parents else Constitution
    known = [field.alias or name for name, field in model.model_fields.items()]
    near = difflib.get_close_matches(str(loc[-1]), known, n=1, cutoff=0.6)
    return f"; did you mean {near[0]}?" if near else "; expected one of " + ", ".join(known)


def _path(loc: list[Any]) -> str:
    path = ""
    for part in loc:
        path += f"[{part}]" if isinstance(part, int) else (f".{part}" if path else str(part))
    return path


def _line(source: Source, path: str) -> int | None:
    """The line of `path`, or of the nearest thing above it."""
    parts = path
    while parts and parts not in source.lines:
        cut = max(parts.rfind("."), parts.rfind("["))
        parts = parts[:cut] if cut > 0 else ""
    return source.lines.get(parts)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
