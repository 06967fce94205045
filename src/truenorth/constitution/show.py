"""A constitution as people read it: plain text, a paragraph a principle."""

from __future__ import annotations

import textwrap

from truenorth.constitution.schema import Check, Constitution, Principle

WIDTH = 96


def show(constitution: Constitution) -> str:
    """The whole constitution as text."""
    head = f"{constitution.name}, version {constitution.version}  ({constitution.label})"
    parts = [head, "=" * len(head)]
    if constitution.description:
        parts += ["", _wrap(constitution.description)]
    for number, principle in enumerate(constitution.principles, start=1):
        parts += ["", show_principle(principle, number=number)]
    return "\n".join(parts) + "\n"


def show_principle(p: Principle, *, number: int | None = None) -> str:
    """One principle as text: its statement, then what is checked, shown and measured."""
    weight = f", weight {p.weight:g}" if p.kind == "value" else ""
    before = f"{number}. " if number else ""
    lines = [f"{before}{p.title}  [{p.id}: {p.kind}, {p.severity}{weight}]", _wrap(p.statement, indent=3)]
    notes = [
        ("holds", str(p.scope) if p.scope else ""),
        ("guidance", p.guidance or ""),
        ("about", " or ".join(p.applies_when.prompt) if p.applies_when else ""),
        *(("check", _check(check)) for check in p.checks),
        ("measured by", p.measured_by or ""),
        ("keywords", ", ".join(p.keywords)),
        ("see", ", ".join(p.refs)),
    ]
    lines += [_wrap(f"{name}: {text}", indent=3, hang=5) for name, text in notes if text]
    for example in p.examples:
        lines.append(_wrap(f"asked: {example.prompt}", indent=3, hang=5))
        answers = (("good", example.good), ("bad", example.bad))
        lines += [_wrap(f"{name}: {text}", indent=5, hang=7) for name, text in answers if text]
    return "\n".join(lines)


def _check(check: Check) -> str:
    settings = "; ".join(
        f"{key} {' or '.join(map(str, value)) if isinstance(value, (list, tuple)) else value}"
        for key, value in check.settings.items()
    )
    return f"{check.name}" + (f" ({settings})" if settings else "")


def _wrap(text: str, *, indent: int = 0, hang: int | None = None) -> str:
    first, rest = " " * indent, " " * (indent if hang is None else hang)
    paragraphs = [
        textwrap.fill(p, WIDTH, initial_indent=first, subsequent_indent=rest, break_long_words=False)
        for p in text.split("\n\n")
    ]
    return "\n\n".join(paragraphs)
