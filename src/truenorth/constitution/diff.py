"""What changed between two versions of a constitution, and which work done under the old one is stale."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from truenorth.constitution.schema import Constitution, Principle

Stale = Literal["prompts", "labels", "weights", "evaluation"]
ALL: tuple[Stale, ...] = ("prompts", "labels", "weights", "evaluation")

# What each field feeds. Prompts are written from statement, guidance and examples; labels come from
# everything that judges; weights follow labels; the evaluation follows what measures and where.
FEEDS: dict[str, tuple[Stale, ...]] = {
    "title": (),
    "keywords": ("prompts",),
    "refs": (),
    "statement": ALL,
    "guidance": ("prompts", "labels", "weights"),
    "kind": ("labels", "weights"),
    "severity": ("labels", "weights"),
    "weight": ("labels", "weights"),
    "scope": ALL,
    "applies_when": ALL,
    "checks": ("labels", "weights"),
    "examples": ("prompts", "labels", "weights"),
    "measured_by": ("evaluation",),
}


class FieldChange(NamedTuple):
    field: str
    old: Any
    new: Any


class Change(NamedTuple):
    """One principle that is new, gone, changed or moved, and what is stale because of it."""

    principle: str
    what: Literal["added", "removed", "changed", "moved"]
    fields: tuple[FieldChange, ...] = ()
    stale: tuple[Stale, ...] = ()

    def __str__(self) -> str:
        stale = ", ".join(self.stale) or "nothing"
        lines = [f"{self.principle}: {self.what}; stale: {stale}"]
        lines += ["  {}: {} -> {}".format(f.field, *_short(f.old, f.new)) for f in self.fields]
        return "\n".join(lines)


def diff(old: Constitution, new: Constitution) -> list[Change]:
    """The changes from `old` to `new`, in the order of `new`, then what is gone.

    A principle that only moved makes nothing stale: order decides nothing but which of two equally severe
    broken rules is named first.
    """
    before, changes = {p.id: p for p in old.principles}, []
    for p in new.principles:
        if p.id not in before:
            changes.append(Change(p.id, "added", stale=ALL))
        elif fields := _fields(before[p.id], p):
            stale = {s for f in fields for s in FEEDS[f.field]}
            changes.append(Change(p.id, "changed", fields, tuple(s for s in ALL if s in stale)))
    kept_old = [i for i in old.ids if i in new.ids]
    kept_new = [i for i in new.ids if i in old.ids]
    for i, (was, now) in enumerate(zip(kept_old, kept_new)):
        if was != now and kept_old.index(now) > i:
            place = (FieldChange("position", kept_old.index(now) + 1, i + 1),)
            changes.append(Change(now, "moved", place))
    gone: tuple[Stale, ...] = ("labels", "weights", "evaluation")
    return changes + [Change(p.id, "removed", stale=gone) for p in old.principles if p.id not in new.ids]


def _fields(old: Principle, new: Principle) -> tuple[FieldChange, ...]:
    a, b = (p.model_dump(mode="json", by_alias=True) for p in (old, new))
    return tuple(FieldChange(key, a[key], b[key]) for key in a if a[key] != b[key])


def _short(old: Any, new: Any) -> tuple[str, str]:
    """The values in at most about 70 letters each, cut so that the first difference between them shows."""
    a, b = ("none" if value is None or value == [] else str(value) for value in (old, new))
    same = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
    begin = max(0, same - 30) if max(len(a), len(b)) > 70 else 0
    return _cut(a, begin), _cut(b, begin)


def _cut(text: str, begin: int) -> str:
    shown = ("..." if begin else "") + text[begin:]
    return shown if len(shown) <= 70 else shown[:67] + "..."
