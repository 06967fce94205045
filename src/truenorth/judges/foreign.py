"""Checks that are somebody's own code, named as `package.module:function`: read here, run in a confined process.

The file is found beside the constitution, or as an import would find it, but nothing of it runs in this process:
its settings are read from its syntax, and it is executed where it can compute and nothing else (see `confine`).
It may import Python's library and installed packages, not the files beside it.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from truenorth.base import UserError, unreadable
from truenorth.judges.confine import Limits, Ran, run_confined

AT_ONCE = 2000  # calls of one process: starting it costs as much as some thousand small checks
LIMITS = Limits(wall_s=60.0, cpu_s=60, memory_mb=2048, output_bytes=1_000_000, packages=True)


@dataclass(frozen=True)
class ForeignCheck:
    """One function of somebody's file, with its settings fixed. A Check, and better asked many at once."""

    name: str
    source: str
    settings: Mapping[str, Any]

    @property
    def __name__(self) -> str:
        return self.name

    def __call__(self, prompt: str, text: str, /) -> float | None:
        return self.many([(prompt, text)])[0]

    def many(self, pairs: Sequence[tuple[str, str]]) -> list[float | None]:
        """The scores of (prompt, answer) pairs, in order.

        Raises:
            UserError: the code cannot be loaded or run, fails on a pair, runs out of time or memory, or gives
                what is no score.
        """
        return [
            score for at in range(0, len(pairs), AT_ONCE) for score in self._some(pairs[at : at + AT_ONCE])
        ]

    def _some(self, pairs: Sequence[tuple[str, str]]) -> list[float | None]:
        function = self.name.partition(":")[2]
        settings = dict(self.settings)
        calls = [f"{function}({prompt!r}, {text!r}, **{settings!r})" for prompt, text in pairs]
        ran = run_confined(self.source, calls=calls, limits=LIMITS)
        if len(ran.replies) != len(calls):
            raise UserError(_why(ran), where=f"check {self.name}", fix="run the function on its own first")
        return [self._score(reply, pair) for reply, pair in zip(ran.replies, pairs, strict=True)]

    def _score(self, reply: Mapping[str, Any], pair: tuple[str, str]) -> float | None:
        said = reply.get("error") or reply.get("value")
        try:
            score = ast.literal_eval(reply["value"])
            if score is None or 0 <= float(score) <= 1:
                return None if score is None else float(score)
        except (KeyError, TypeError, ValueError, SyntaxError, RecursionError, MemoryError):
            pass
        raise UserError(
            f"gave {str(said)[:120]} for {pair[1][:60]!r}",
            where=f"check {self.name}",
            expected="a number from 0 to 1, or None",
        )


def foreign(
    name: str, *, folder: Path = Path(), where: str = ""
) -> tuple[ForeignCheck, list[ast.arg], set[str]]:
    """The check without settings, its keyword-only parameters, and the names of those that have no default.

    Args:
        folder: where the file is looked for first.

    Raises:
        UserError: no such file, or no such function in it.
    """
    module, _, function = name.partition(":")
    path = source_file(module, folder)
    if path is None:
        fix = f"put {module.replace('.', '/')}.py into {folder}, or on PYTHONPATH"
        raise UserError(f"no file of a module {module!r}", where=where, fix=fix)
    try:
        source = path.read_text(encoding="utf-8")
        body = ast.parse(source).body
    except (OSError, UnicodeDecodeError) as error:
        raise unreadable(path, error) from error
    except (SyntaxError, ValueError) as error:
        raise UserError(f"{path} is not Python ({error})", where=where) from error
    found = [node for node in body if isinstance(node, ast.FunctionDef) and node.name == function]
    if not found:
        defined = ", ".join(node.name for node in body if isinstance(node, ast.FunctionDef)) or "none"
        raise UserError(f"{path} defines no function {function!r}", where=where, expected=f"one of {defined}")
    settings = found[-1].args
    bare = {
        a.arg for a, default in zip(settings.kwonlyargs, settings.kw_defaults, strict=True) if default is None
    }
    return ForeignCheck(name, source, {}), settings.kwonlyargs, bare


def source_file(module: str, folder: Path = Path()) -> Path | None:
    """The file of `package.module`: below `folder`, or where an import would find it. Nothing is imported."""
    beside = folder.joinpath(*module.split(".")).with_suffix(".py")
    if beside.is_file():
        return beside
    places: list[str] | None = None
    spec = None
    for part in _prefixes(module):
        spec = next(
            (s for finder in sys.meta_path if (s := finder.find_spec(part, places)) is not None), None
        )
        if spec is None:
            return None
        places = list(spec.submodule_search_locations or [])
    path = Path(spec.origin) if spec is not None and spec.origin else None
    return path if path is not None and path.suffix == ".py" and path.is_file() else None


def _prefixes(module: str) -> list[str]:
    parts = module.split(".")
    return [".".join(parts[: i + 1]) for i in range(len(parts))]


def _why(ran: Ran) -> str:
    if ran.end == "failed":
        return f"its file fails: {ran.stderr.strip().splitlines()[-1][:200] if ran.stderr.strip() else '?'}"
    limits = f"{LIMITS.wall_s:.0f} s or {LIMITS.memory_mb} MB"
    return f"it was stopped at {limits}" if ran.end in ("timeout", "killed") else "it answered out of turn"
