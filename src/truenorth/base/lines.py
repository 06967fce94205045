"""YAML as plain data that remembers its lines, so that an error can name the place."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import yaml

LARGEST = 100_000  # values in one file, aliases written out: a bound on "billion laughs"


class Problem(NamedTuple):
    """Something wrong at a line (1-based) of a file, under a path such as principles[1].severity."""

    line: int | None
    path: str
    what: str

    def at(self, file: str) -> str:
        line = f", line {self.line}" if self.line else ""
        return f"{file}{line}{', ' + self.path if self.path else ''}: {self.what}"


@dataclass
class Source:
    """The values of a file, the line of each of them, and what could not be read."""

    data: Any = None
    lines: dict[str, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def read_yaml(text: str, *, first_line: int = 1, path: str = "") -> Source:
    """The values of a YAML text whose first line is line `first_line` of its file, at `path` of the whole."""
    source, loader = Source(), yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        if node is not None:
            source.data = _value(loader, node, path, first_line, source)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + first_line if mark else None
        said = error.problem or error.context
        source.problems.append(Problem(line, path, f"not YAML ({said})"))
    except _Wrong as error:
        source.problems.append(error.problem)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        deep = isinstance(error, RecursionError)
        said = "lists and mappings nested too deep" if deep else str(error).splitlines()[0]
        source.problems.append(Problem(first_line, path, f"not YAML ({said})"))
    finally:
        loader.dispose()
    return source


class _Wrong(Exception):
    """Ends the reading of a file, with what is wrong where."""

    def __init__(self, line: int, path: str, what: str):
        self.problem = Problem(line, path, what)


def _value(
    loader: yaml.SafeLoader,
    node: yaml.Node,
    path: str,
    first_line: int,
    source: Source,
    around: tuple[yaml.Node, ...] = (),
) -> Any:
    """The value of a node that stands inside `around`."""
    line = node.start_mark.line + first_line
    if any(node is outer for outer in around):
        raise _Wrong(line, path, "an alias of what it stands in, so it would never end")
    source.lines.setdefault(path, line)
    if len(source.lines) > LARGEST:
        raise ValueError(f"more than {LARGEST:,} values")
    if isinstance(node, yaml.SequenceNode):
        inside = (*around, node)
        return [
            _value(loader, item, f"{path}[{i}]", first_line, source, inside)
            for i, item in enumerate(node.value)
        ]
    if not isinstance(node, yaml.MappingNode):
        if path == "version" and isinstance(node, yaml.ScalarNode):
            return node.value
        try:
            return loader.construct_object(node, deep=True)
        except ValueError as error:  # a day such as 2026-13-45
            raise _Wrong(line, path, f"not YAML ({error})") from error
    values: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = str(key_node.value) if isinstance(key_node, yaml.ScalarNode) else repr(key_node.tag)
        below = f"{path}.{key}" if path else key
        at = key_node.start_mark.line + first_line
        if key in values:
            first = source.lines[below]
            source.problems.append(Problem(at, below, f"written twice (first on line {first})"))
            continue
        source.lines[below] = at
        values[key] = _value(loader, value_node, below, first_line, source, (*around, node))
    return values
