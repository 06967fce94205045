"""Constitution files as plain data that remembers its lines: YAML, or Markdown with a heading a principle."""

from __future__ import annotations

import re
from typing import Any

from truenorth.base.lines import Problem, Source, read_yaml

HEADING = re.compile(r"^##\s+(?P<title>.*?)\s*(?:\{#(?P<id>[^}]*)\})?\s*$")
FENCE = re.compile(r"^```ya?ml\s*$")


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
