"""Constitution files as plain data that remembers its lines: YAML, or Markdown with a heading a principle."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import yaml

LARGEST = 100_000  # values in one file, aliases written out: a bound on "billion laughs"
HEADING = re.compile(r"^##\s+(?P<title>.*?)\s*(?:\{#(?P<id>[^}]*)\})?\s*$")
FENCE = re.compile(r"^```ya?ml\s*$")


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


def read_markdown(text: str) -> Source:
    """Front matter as in YAML; then each `## Title {#id}` is a principle.

    The prose under a heading is its statement; a fenced yaml block under it holds every other field. Without
    `{#id}` the id is the title in lower case with dashes. Prose before the first `##` is the description,
    unless the front matter has one.
    """
    lines = text.split("\n")
    source, body = _front_matter(lines)
    if not isinstance(source.data, dict):
        return source
    data = source.data
    headings = [i for i, line in _outside_fences(lines, body) if HEADING.match(line)]
    intro = _prose(lines[body : headings[0] if headings else len(lines)])
    if intro and "description" not in data:
        data["description"] = intro
        source.lines.setdefault("description", body + 1)
    principles = data.get("principles") if isinstance(data.get("principles"), list) else []
    assert principles is not None
    for start, end in zip(headings, [*headings[1:], len(lines)]):
        principles.append(_section(lines, start, end, f"principles[{len(principles)}]", source))
    if headings:
        data["principles"] = principles
        source.lines.setdefault("principles", headings[0] + 1)
    return source


def _front_matter(lines: list[str]) -> tuple[Source, int]:
    """The front matter between two `---` and the index of the first line after it."""
    if not lines or lines[0].strip() != "---":
        return Source(problems=[Problem(1, "", "no front matter; expected --- on the first line")]), 0
    end = next((i for i, line in enumerate(lines[1:], start=1) if line.strip() == "---"), None)
    if end is None:
        return Source(problems=[Problem(1, "", "front matter without an end; expected a second ---")]), 0
    return read_yaml("\n".join(lines[1:end]), first_line=2), end + 1


def _outside_fences(lines: list[str], start: int) -> list[tuple[int, str]]:
    found, fenced = [], False
    for i, line in enumerate(lines[start:], start=start):
        if line.startswith("```"):
            fenced = not fenced
        elif not fenced:
            found.append((i, line))
    return found


def _section(lines: list[str], start: int, end: int, path: str, source: Source) -> dict[str, Any]:
    match = HEADING.match(lines[start])
    assert match
    title = match["title"]
    slug = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
    values: dict[str, Any] = {"id": match["id"] or slug, "title": title}
    fence = next((i for i in range(start + 1, end) if FENCE.match(lines[i])), None)
    prose = lines[start + 1 : end]
    block: dict[str, Any] = {}
    if fence is not None:
        close = next((i for i in range(fence + 1, end) if lines[i].startswith("```")), end)
        prose = lines[start + 1 : fence] + lines[close + 1 : end]
        inner = read_yaml("\n".join(lines[fence + 1 : close]), first_line=fence + 2, path=path)
        source.problems += inner.problems
        source.lines.update(inner.lines)
        if isinstance(inner.data, dict):
            block = inner.data
        elif inner.data is not None:
            source.problems.append(Problem(fence + 2, path, "expected fields, such as `kind: rule`"))
    if statement := _prose(prose):
        values["statement"] = statement
    for key in values:
        source.lines.setdefault(f"{path}.{key}", start + 1)
    source.lines[path] = start + 1
    return {**values, **block}


def _prose(lines: list[str]) -> str:
    """Paragraphs as text, their line breaks undone; level-1 headings and comments left out."""
    text = re.sub(
        r"<!--.*?-->", "", "\n".join(line for line in lines if not line.startswith("# ")), flags=re.S
    )
    paragraphs = [" ".join(p.split()) for p in re.split(r"\n\s*\n", text)]
    return "\n\n".join(p for p in paragraphs if p)
