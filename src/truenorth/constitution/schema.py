"""What a constitution is: principles with an id, a statement, a kind, and what makes them checkable."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from truenorth.base import content_hash
from truenorth.base.patterns import unusable

Kind = Literal["rule", "value", "norm"]
Severity = Literal["low", "medium", "high", "critical"]
SEVERITIES: tuple[Severity, ...] = ("low", "medium", "high", "critical")
CHECKS_OF_PATTERNS = ("forbid", "require")  # checks whose settings are all regular expressions
MEASURES = ("oracle", "judge", "check", "classifier")  # prefixes of `measured_by` that name no code


def _pattern(text: str) -> str:
    if why := unusable(text):
        raise PydanticCustomError("pattern", "{why}", {"why": why})
    return text


def _not_blank(text: str) -> str:
    if not text.strip():
        raise PydanticCustomError("blank", "empty text")
    return text.strip()


Text = Annotated[str, AfterValidator(_not_blank)]
Pattern = Annotated[str, AfterValidator(_pattern)]
Id = Annotated[str, Field(pattern=r"^[a-z0-9_-]+$")]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Scope(_Frozen):
    """Where and when a norm holds. `start` and `until` are days, both included."""

    start: date | None = Field(None, alias="from")
    until: date | None = None
    place: Text | None = None
    group: Text | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Scope:
        if (self.start, self.until, self.place, self.group) == (None, None, None, None):
            raise PydanticCustomError("scope", "an empty scope; expected from, until, place or group")
        if self.start and self.until and self.start > self.until:
            raise PydanticCustomError("scope", "a scope that ends before it starts")
        return self

    def meets(self, other: Scope) -> bool:
        """Whether there is a day, a place and a group that both hold for."""
        days = (
            (self.start or date.min, other.start or date.min),
            (self.until or date.max, other.until or date.max),
        )
        apart = [{a, b} - {None} for a, b in ((self.place, other.place), (self.group, other.group))]
        return max(days[0]) <= min(days[1]) and all(len(names) < 2 for names in apart)

    def __str__(self) -> str:
        parts = [f"from {self.start}" if self.start else "", f"until {self.until}" if self.until else ""]
        parts += [f"in {self.place}" if self.place else "", f"for {self.group}" if self.group else ""]
        return ", ".join(part for part in parts if part)


class AppliesWhen(_Frozen):
    """Which prompts a principle is about: those in which one of the patterns occurs."""

    prompt: tuple[Pattern, ...] = Field(min_length=1)


class Check(_Frozen):
    """An executable check by name, and its settings: `forbid: {answer: [...]}`, or just `arithmetic`."""

    name: Text
    settings: dict[str, Any] = {}

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"name": value}
        if isinstance(value, Mapping) and len(value) == 1 and "name" not in value:
            ((name, settings),) = value.items()
            return {"name": name, "settings": {} if settings is None else settings}
        return value

    @model_validator(mode="after")
    def _patterns(self) -> Check:
        if self.name in CHECKS_OF_PATTERNS:
            for key, value in self.settings.items():
                for text in value if isinstance(value, (list, tuple)) else [value]:
                    if not isinstance(text, str):
                        raise PydanticCustomError(
                            "pattern", "{key}: {text} is not text", {"key": key, "text": str(text)}
                        )
                    if why := unusable(text):
                        raise PydanticCustomError(
                            "pattern", "{why}: {text}", {"why": why, "text": repr(text)}
                        )
        return self

    @property
    def is_code(self) -> bool:
        """Named as `module:function`, rather than by a name of the catalogue."""
        return ":" in self.name

    def patterns(self, key: str) -> tuple[str, ...]:
        """The setting `key` of a check of patterns, as a tuple."""
        value = self.settings.get(key, ())
        return (value,) if isinstance(value, str) else tuple(value)


class Example(_Frozen):
    """A prompt with a good answer, a bad one, or both."""

    prompt: Text
    good: Text | None = None
    bad: Text | None = None

    @model_validator(mode="after")
    def _has_an_answer(self) -> Example:
        if self.good is None and self.bad is None:
            raise PydanticCustomError("example", "an example without an answer; expected good, bad or both")
        return self


class Principle(_Frozen):
    """A rule (must hold), a value (traded off by weight) or a norm (holds in its scope)."""

    id: Id
    title: Text
    statement: Text
    kind: Kind = "rule"
    severity: Severity = "medium"
    weight: float = Field(1.0, gt=0, allow_inf_nan=False)
    guidance: Text | None = None
    scope: Scope | None = None
    applies_when: AppliesWhen | None = None
    checks: tuple[Check, ...] = ()
    examples: tuple[Example, ...] = ()
    measured_by: Text | None = None
    keywords: tuple[Text, ...] = ()
    refs: tuple[Text, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _title(cls, value: Any) -> Any:
        if isinstance(value, Mapping) and "title" not in value:
            words = str(value.get("id") or "untitled").replace("_", " ").replace("-", " ")
            return {**value, "title": words.capitalize()}
        return value

    @model_validator(mode="after")
    def _scoped(self) -> Principle:
        if self.kind == "norm" and self.scope is None:
            raise PydanticCustomError("scope", "a norm without scope; expected from, until, place or group")
        if self.kind != "norm" and self.scope is not None:
            raise PydanticCustomError(
                "scope", "a scope on a {kind}; only norms have one", {"kind": self.kind}
            )
        return self

    @property
    def hash(self) -> str:
        """16 hex digits of what is written; a default that is written out counts as not written."""
        return content_hash(self.model_dump(mode="json", by_alias=True, exclude_defaults=True))

    @property
    def code(self) -> tuple[str, ...]:
        """The code that this principle names as `package.module:function`, which only --allow-code runs."""
        measure = self.measured_by or ""
        named = [measure] if ":" in measure and measure.split(":")[0] not in MEASURES else []
        return tuple([check.name for check in self.checks if check.is_code] + named)

    def in_force(self, *, on: date, place: str = "", group: str = "") -> bool:
        """Rules and values always; a norm on its days, where its place and group are the ones given."""
        scope = self.scope
        if scope is None:
            return True
        days = (scope.start is None or scope.start <= on) and (scope.until is None or on <= scope.until)
        return days and scope.place in (None, place) and scope.group in (None, group)


class Constitution(_Frozen):
    """Named, versioned principles, in the order written."""

    name: Id
    version: Text
    description: str = ""
    principles: tuple[Principle, ...] = Field(min_length=1)

    _path: Path | None = PrivateAttr(None)
    _lines: dict[str, int] = PrivateAttr(default_factory=dict)

    @field_validator("principles")
    @classmethod
    def _unique(cls, principles: tuple[Principle, ...]) -> tuple[Principle, ...]:
        ids = [p.id for p in principles]
        repeated = sorted({one for one in ids if ids.count(one) > 1})
        if repeated:
            raise PydanticCustomError("duplicate_id", "used twice: {ids}", {"ids": ", ".join(repeated)})
        return principles

    @property
    def path(self) -> Path | None:
        """The file it was read from."""
        return self._path

    @property
    def hash(self) -> str:
        """16 hex digits of everything written, names and order included; comments and layout are not."""
        return content_hash(self.model_dump(mode="json", by_alias=True, exclude_defaults=True))

    @property
    def label(self) -> str:
        """How rows refer to it: name@version#hash."""
        return f"{self.name}@{self.version}#{self.hash[:8]}"

    @property
    def ids(self) -> tuple[str, ...]:
        """Of the principles, in their order."""
        return tuple(p.id for p in self.principles)

    def principle(self, principle_id: str) -> Principle:
        """The principle of that id. Raises KeyError."""
        found = {p.id: p for p in self.principles}
        return found[principle_id]

    def on(self, day: date, *, place: str = "", group: str = "") -> Constitution:
        """What holds on a day (and in a place, for a group): norms out of their scope are left out.

        Raises:
            ValueError: nothing holds.
        """
        held = tuple(p for p in self.principles if p.in_force(on=day, place=place, group=group))
        if not held:
            raise ValueError(f"no principle of {self.name} holds on {day}")
        found = self.model_copy(update={"principles": held})
        found._lines = self._lines_of([i for i, p in enumerate(self.principles) if p in held])
        return found

    def _lines_of(self, kept: Sequence[int]) -> dict[str, int]:
        """The lines of what is left when only the principles at these places are: they have other numbers then."""
        place = {str(i): str(k) for k, i in enumerate(kept)}
        found = {}
        for path, line in self._lines.items():
            inside = re.match(r"principles\[(\d+)\]", path)
            if inside is None:
                found[path] = line
            elif inside[1] in place:
                found[f"principles[{place[inside[1]]}]{path[inside.end() :]}"] = line
        return found

    def line(self, path: str) -> int | None:
        """The line of the file where `principles[1].severity`, say, was written, or of what is around it."""
        while path and path not in self._lines:
            path = re.sub(r"(\.[^.\[]+|\[\d+\]|^[^.\[]+)$", "", path)
        return self._lines.get(path)
