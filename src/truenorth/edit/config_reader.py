"""Reading a merge: mergekit's YAML as it is, with an error that names the line where something is wrong.

Beyond mergekit's keys a model may bring statistics for the methods that need them: `fisher: FILE`, `gram: FILE`.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from truenorth.base import UserError, unreadable
from truenorth.base.lines import read_yaml
from truenorth.edit.arrays import NAMES
from truenorth.edit.config import Config, Input, Settings, Slice
from truenorth.edit.method import known_settings, method
from truenorth.edit.models import Reference

TOP = ("merge_method", "base_model", "models", "slices", "parameters", "dtype", "out_dtype", "tokenizer",
       "tokenizer_source", "chat_template", "name")  # fmt: skip
IGNORED = {"int8_mask": "masks are made and dropped block by block"}


def read_config(file: str | Path) -> Config:
    """Read a merge from a YAML file.

    Raises:
        UserError: with the line, for anything that is not mergekit's configuration.
    """
    try:
        text = Path(file).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise unreadable(file, error) from error
    return parse(text, file=str(file))


def parse(text: str, *, file: str = "") -> Config:
    """Read a merge from YAML text. Raises as `read_config` does."""
    source = read_yaml(text)
    if source.problems:
        problem = source.problems[0]
        raise UserError(problem.what, where=f"{file or 'the configuration'}, line {problem.line}")
    return _Reader(text, file, source.data, source.lines).config()


class _Reader:
    """The checks, which share the file's name, its lines and the notes."""

    def __init__(self, text: str, file: str, data: Any, lines: Mapping[str, int]):
        self.text, self.file, self.data, self.lines = text, file, data, lines
        self.notes: list[str] = []

    def wrong(self, path: str, what: str, expected: str = "", fix: str = "") -> NoReturn:
        raise UserError(what, where=Config("", (), file=self.file, lines=self.lines).where(path),
                        expected=expected, fix=fix)  # fmt: skip

    def config(self) -> Config:
        """The whole file."""
        data = self.data
        if not isinstance(data, dict):
            self.wrong("", "not a merge", expected="a mapping with merge_method and models or slices")
        if "modules" in data:
            self.wrong("modules", "several modules are not supported", fix="write `models` or `slices`")
        self.keys(data, TOP, "")
        if not isinstance(data.get("merge_method"), str):
            self.wrong("merge_method", "no merge_method", expected="the name of a method")
        chosen = method(data["merge_method"], where=self.at("merge_method"))
        if ("models" in data) == ("slices" in data):
            self.wrong(
                "", "models and slices" if "models" in data else "neither models nor slices", "one of them"
            )
        base = self.reference(data.get("base_model"), "base_model")
        if chosen.base == "required" and base is None and not self.slices_have_base():
            self.wrong("merge_method", f"{chosen.name} needs a base_model", fix="add base_model: DIR_OR_ID")
        self.known = known_settings()
        self.settings = set(chosen.settings)
        slices = (
            self.slices() if "slices" in data else (Slice(self.inputs(data["models"], "models", "model")),)
        )
        return Config(
            data["merge_method"], slices, base, "models" in data, self.parameters(data, ""),
            self.dtype("dtype"), self.dtype("out_dtype"), self.tokenizer(), self.template(),
            self.text, self.file, self.lines, tuple(dict.fromkeys(self.notes)),
        )  # fmt: skip

    def at(self, path: str) -> str:
        return Config("", (), file=self.file, lines=self.lines).where(path)

    def slices_have_base(self) -> bool:
        slices = self.data.get("slices")
        return isinstance(slices, list) and all(isinstance(s, dict) and s.get("base_model") for s in slices)

    def keys(self, data: dict[str, Any], allowed: tuple[str, ...], path: str) -> None:
        for key in data:
            if key not in allowed:
                near = difflib.get_close_matches(key, allowed, n=1)
                fix = f"did you mean {near[0]}?" if near else ""
                self.wrong(
                    f"{path}.{key}" if path else key,
                    f"unknown key {key!r}",
                    "one of " + ", ".join(allowed),
                    fix,
                )

    def reference(self, value: Any, path: str) -> Reference | None:
        if value is None:
            return None
        if isinstance(value, dict) and isinstance(value.get("model"), dict | str):  # mergekit's long form
            own, adapter = (_long(value.get(key)) for key in ("model", "lora"))
            value = f"{own}+{adapter}" if adapter else own
        if not isinstance(value, str) or not value:
            self.wrong(path, f"not a model: {value!r}", expected="a folder or hub id")
        return Reference.parse(value, where=self.at(path))

    def inputs(self, data: Any, path: str, kind: str) -> tuple[Input, ...]:
        """Models with their settings."""
        if not isinstance(data, list) or not data:
            self.wrong(path, "no models", expected="a list of `- model: DIR_OR_ID`")
        made = []
        for i, entry in enumerate(data):
            here = f"{path}[{i}]"
            if not isinstance(entry, dict) or "model" not in entry:
                self.wrong(here, "no model in it", expected="model: DIR_OR_ID")
            layers = ("layer_range",) if kind == "source" else ()
            self.keys(entry, ("model", "parameters", "fisher", "gram", *layers), here)
            statistics = {key: str(entry[key]) for key in ("fisher", "gram") if key in entry}
            reference = self.reference(entry["model"], f"{here}.model")
            assert reference is not None
            made.append(
                Input(reference, self.layers(entry, here, kind), self.parameters(entry, here), statistics)
            )
        return tuple(made)

    def layers(self, entry: dict[str, Any], path: str, kind: str) -> tuple[int, int] | None:
        """The layers of a source, first and past the last; None for whole models."""
        if kind != "source":
            return None
        value = entry.get("layer_range")
        if (
            not isinstance(value, list) or len(value) != 2 or not all(type(v) is int for v in value)
            or not 0 <= value[0] < value[1]
        ):  # fmt: skip
            self.wrong(
                f"{path}.layer_range",
                f"not a range of layers: {value!r}",
                expected="[first, end], end not included",
            )
        return value[0], value[1]

    def slices(self) -> tuple[Slice, ...]:
        """Slices of layers, in order."""
        data = self.data["slices"]
        if not isinstance(data, list) or not data:
            self.wrong("slices", "no slices", expected="a list of `- sources: [...]`")
        made = []
        for i, entry in enumerate(data):
            here = f"slices[{i}]"
            if not isinstance(entry, dict) or "sources" not in entry:
                self.wrong(here, "no sources in it", expected="sources: a list of models with layer_range")
            self.keys(entry, ("sources", "base_model", "parameters", "residual_weight"), here)
            inputs = self.inputs(entry["sources"], f"{here}.sources", "source")
            lengths = {i.layers[1] - i.layers[0] for i in inputs if i.layers}
            if len(lengths) > 1:
                self.wrong(
                    f"{here}.sources", f"ranges of {sorted(lengths)} layers", expected="ranges of one length"
                )
            base = self.reference(entry.get("base_model"), f"{here}.base_model")
            made.append(Slice(inputs, base, self.parameters(entry, here)))
        return tuple(made)

    def parameters(self, entry: dict[str, Any], path: str) -> Settings:
        """The settings of the method that stand there; what means nothing to it is noted, and left out."""
        path = f"{path}.parameters" if path else "parameters"
        data = entry.get("parameters") or {}
        if not isinstance(data, dict):
            self.wrong(path, "not parameters", expected="name: value")
        kept = {}
        for name, value in data.items():
            own = {"lambda": "lambda_"}.get(name, name)
            if name in IGNORED:
                self.notes.append(f"{name} is not needed: {IGNORED[name]}")
            elif own in self.settings:
                self.value(value, f"{path}.{name}")
                kept[own] = value
            elif name in self.known:
                self.notes.append(f"{name} means nothing to {self.data['merge_method']} and is not used")
            else:
                near = difflib.get_close_matches(name, [s.rstrip("_") for s in self.settings], n=1)
                fix = f"did you mean {near[0]}?" if near else ""
                known = ", ".join(sorted(s.rstrip("_") for s in self.settings)) or "none"
                self.wrong(f"{path}.{name}", f"unknown parameter {name!r}", f"one of {known}", fix)
        return kept

    def value(self, value: Any, path: str) -> None:
        """A number, word or truth value; a list of them over the layers; or a list of filters."""
        if _plain(value) or (isinstance(value, list) and value and all(map(_plain, value))):
            return
        conditions = [value] if isinstance(value, dict) else value
        if not isinstance(conditions, list) or not conditions:
            self.wrong(
                path, f"not a value: {value!r}", expected="a number, a list over the layers, or filters"
            )
        for i, condition in enumerate(conditions):
            here = path if isinstance(value, dict) else f"{path}[{i}]"
            if not isinstance(condition, dict) or "value" not in condition:
                self.wrong(here, f"not a filter: {condition!r}", expected="filter: part of a name, and value")
            self.keys(condition, ("filter", "value"), here)
            self.value(condition["value"], f"{here}.value")

    def dtype(self, key: str) -> str | None:
        value = self.data.get(key)
        if value is None:
            return None
        name = str(value).removeprefix("torch.")
        if name not in NAMES:
            self.wrong(key, f"unknown type {value!r}", "one of " + ", ".join(NAMES))
        return NAMES[name]

    def tokenizer(self) -> str | None:
        """Whose tokenizer the result has, in mergekit's short form or its long one; None for the usual one."""
        source, long = self.data.get("tokenizer_source"), self.data.get("tokenizer")
        if source is not None and long is not None:
            self.wrong("tokenizer", "tokenizer and tokenizer_source", expected="one of them")
        if long is None:
            return None if source is None else str(source)
        if not isinstance(long, dict):
            self.wrong("tokenizer", "not a mapping", expected="source: base, union or a model")
        if long.get("tokens"):
            self.wrong(
                "tokenizer.tokens", "sources of single tokens are not supported", fix="leave `tokens` out"
            )
        self.keys(long, ("source", "tokens", "pad_to_multiple_of"), "tokenizer")
        if long.get("pad_to_multiple_of"):
            self.wrong(
                "tokenizer.pad_to_multiple_of", "padding the vocabulary is not supported", fix="leave it out"
            )
        return str(long.get("source", "union"))

    def template(self) -> str | None:
        value = self.data.get("chat_template")
        if value is None or (isinstance(value, str) and (value in ("auto", "chatml") or "{" in value)):
            return value
        return self.wrong(
            "chat_template", f"unknown template {value!r}", expected="auto, chatml, or the template itself"
        )


def _plain(value: Any) -> bool:
    return isinstance(value, bool | int | float | str)


def _long(value: Any) -> str | None:
    """`{path: P, revision: R}` as `P@R`."""
    if isinstance(value, dict):
        return f"{value.get('path')}@{value['revision']}" if value.get("revision") else str(value.get("path"))
    return value
