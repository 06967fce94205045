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
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        source.problems.append(Problem(first_line, path, f"not YAML ({str(error).splitlines()[0]})"))
    finally:
        loader.dispose()
    return source


def _value(loader: yaml.SafeLoader, node: yaml.Node, path: str, first_line: int, source: Source) -> Any:
    line = node.start_mark.line + first_line
    source.lines.setdefault(path, line)
    if len(source.lines) > LARGEST:
        raise ValueError(f"more than {LARGEST:,} values")
    if isinstance(node, yaml.SequenceNode):
        return [_value(loader, item, f"{path}[{i}]", first_line, source) for i, item in enumerate(node.value)]
    if not isinstance(node, yaml.MappingNode):
        if path == "version" and isinstance(node, yaml.ScalarNode):
            return node.value
        return loader.construct_object(node, deep=True)
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
        values[key] = _value(loader, value_node, below, first_line, source)
    return values
