"""A judge from a few lines of YAML, or from a short name: what `truenorth judge` and recipes read.

    kind: rubric                      # one of KINDS
    model: runs/mine/model            # a transformers folder or hub id; or {url: ..., model: ...} for an endpoint
    criterion: Is the answer kind and to the point?

A name instead of a file: a constitution (its checks judge), `check:NAME`, `people:FILE` (a queue for people), a folder
of a saved reward head, or a judge of one's own, `package.module:Name`, which is also a kind and needs --allow-code.
"""

from __future__ import annotations

import dataclasses
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from truenorth.base import UserError, find, names, open_text
from truenorth.base.lines import read_yaml
from truenorth.judges.cfbench import read_items
from truenorth.judges.compile import bind, compile
from truenorth.judges.constraints import ConstraintsJudge
from truenorth.judges.critic import CriticJudge, ProcessJudge
from truenorth.judges.logprob import LogprobJudge
from truenorth.judges.mixture import MixtureJudge
from truenorth.judges.pairwise import PairwiseJudge
from truenorth.judges.panel import PanelJudge
from truenorth.judges.people import PeopleJudge, people_judge
from truenorth.judges.protocol import Judge
from truenorth.judges.refusal import RefusalJudge
from truenorth.judges.reward import RewardJudge
from truenorth.judges.rubric import ChecklistJudge, ReferenceJudge, RubricJudge
from truenorth.judges.rules import Rule, RulesJudge
from truenorth.judges.text_classifier import TextClassifierJudge
from truenorth.judges.verifiable import VerifiableJudge

ASKING: dict[str, type] = {  # kinds whose settings are the fields of a dataclass with a model
    "pairwise": PairwiseJudge,
    "rubric": RubricJudge,
    "checklist": ChecklistJudge,
    "reference": ReferenceJudge,
    "critic": CriticJudge,
    "process": ProcessJudge,
    "logprob": LogprobJudge,
}
SHAPES: dict[str, type] = {"members": list, "reviewers": list, "rules": dict}
CODE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
KINDS = {
    "pairwise": "two answers in both orders, with ties",
    "rubric": "a score weighted by the probabilities of its digits",
    "checklist": "many yes-or-no questions with weights",
    "reference": "equality with a trusted answer, then a model",
    "critic": "the principle broken most, cited",
    "process": "each step of a worked solution",
    "logprob": "P(yes) of one question",
    "rules": "rules with weights, by checks and a model",
    "panel": "several judges: mean, majority, or weighted by reliability",
    "mixture": "several models review an answer, another decides",
    "verifiable": "checks that come with each prompt: mathematics, code, schemas, IFEval",
    "constraints": "constraints of all kinds that come with each prompt (CFBench), by code and by a checklist",
    "classifier": "words, fitted on labelled sentences",
    "refusal": "full refusal, partial refusal or compliance, fitted on labels or by opening words",
    "reward": "a saved reward head, or a sequence classifier",
    "people": "people, on the page of `truenorth annotate`",
    "constitution": "a constitution's checks",
    "check": "one check by name",
}


def open_judge(spec: str | Mapping[str, Any], *, folder: str | Path = ".", allow_code: bool = False) -> Judge:
    """The judge of a specification.

    Args:
        spec: a YAML file, a name as in this file's first words, or the mapping itself.
        allow_code: import judges that are named as `package.module:Name`, and run checks that a constitution names so.

    Raises:
        UserError: no such kind, name or file, or settings that the kind does not have.
    """
    if isinstance(spec, Mapping):
        return of_mapping(dict(spec), Path(folder), allow_code=allow_code)
    path = Path(spec)
    if path.suffix in (".yaml", ".yml") and path.is_file():
        with open_text(path, encoding="utf-8-sig") as file:
            read = read_yaml(file.read())
        if read.problems:
            raise UserError(read.problems[0].at(str(path)), fix="mend the YAML")
        value = read.data
        if isinstance(value, Mapping) and "kind" in value:
            return of_mapping(dict(value), path.parent, allow_code=allow_code)
    if spec.startswith("check:"):
        return of_mapping({"kind": "check", "name": spec.partition(":")[2]}, path.parent)
    if spec.startswith("people:"):
        return people_judge(spec.partition(":")[2], folder=folder)
    if path.is_dir():
        return of_mapping({"kind": "reward", "path": spec}, Path())
    if spec == "refusal":
        return RefusalJudge.by_words()
    if CODE.fullmatch(spec):
        return of_mapping({"kind": spec}, Path(folder), allow_code=allow_code)
    return of_mapping({"kind": "constitution", "path": spec}, Path(), allow_code=allow_code)


def of_mapping(spec: dict[str, Any], folder: Path, *, allow_code: bool = False) -> Judge:
    """The judge that a mapping describes: its `kind`, and that kind's settings.

    Raises:
        UserError: an unknown kind or setting, or code that is not allowed.
    """
    kind = spec.pop("kind", "")
    where = f"judge of kind {kind!r}"
    if isinstance(kind, str) and CODE.fullmatch(kind):
        return _own(kind, spec, folder, where, allow_code=allow_code)
    if kind not in KINDS:
        expected = "one of " + ", ".join(KINDS) + ", or package.module:Name of your own"
        raise UserError(f"unknown kind {kind!r}", where="judge", expected=expected)
    for name, shape in SHAPES.items():
        if name in spec and not isinstance(spec[name], shape):
            expected = "a list" if shape is list else "names, each with what it stands for"
            raise UserError(f"{name} is {spec[name]!r}", where=where, expected=expected)
    if kind == "panel":
        members = spec.pop("members", ())
        spec["members"] = tuple(open_judge(m, folder=folder, allow_code=allow_code) for m in members)
    elif kind == "constitution":
        spec["allow_code"] = allow_code  # by whoever opens it, never by the file
    if kind in ASKING:
        return _asking(ASKING[kind], spec, where)
    return MAKERS[kind](spec, folder, where)


def open_model(given: Any, where: str) -> Any:
    """A model by folder, hub id, or {url, model} of an endpoint."""
    if isinstance(given, str):
        from truenorth.models.local import LocalModel

        return LocalModel.load(given)
    if isinstance(given, Mapping) and {"url", "model"} <= set(given):
        from truenorth.models.http import HttpModel

        rest = {k: v for k, v in given.items() if k not in ("url", "model")}
        return HttpModel(given["url"], given["model"], **rest)
    expected = "a folder, a hub id, or {url: ..., model: ...}"
    raise UserError(f"model {given!r}", where=where, expected=expected)


def _asking(kind: Any, spec: dict[str, Any], where: str) -> Judge:
    fields = {f.name: f for f in dataclasses.fields(kind) if f.init}
    if unknown := sorted(set(spec) - set(fields)):
        raise UserError(f"unknown setting {unknown[0]}", where=where, expected=", ".join(fields))
    needed = [
        n
        for n, f in fields.items()
        if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING and n not in spec
    ]
    if needed:
        raise UserError(f"setting {', '.join(needed)} is missing", where=where)
    more: dict[str, Any] = {key: tuple(spec[key]) for key in ("options", "pair_options") if key in spec}
    for key, options in more.items():
        if not all(isinstance(option, str) for option in options):
            fix = 'put them in quotes, as in ["Yes", "No"]: in YAML a bare Yes or No is a truth value'
            raise UserError(f"{key} {list(options)} are not all text", where=where, fix=fix)
    if spec.get("model") is not None:
        more["model"] = open_model(spec["model"], where)
    return kind(**{**spec, **more})


def _rules(spec: dict[str, Any], folder: Path, where: str) -> Judge:
    made = {}
    for name, rule in spec.pop("rules", {}).items():
        told: dict[str, Any] = {"text": rule} if isinstance(rule, str) else dict(rule)
        check = told.pop("check", None)
        bound = None
        if check:
            [(check_name, settings)] = check.items()
            bound = bind(check_name, settings or {}, folder=folder, where=f"{where}, rule {name}")
        made[name] = Rule(told.get("text", name), float(told.get("weight", 1.0)), bound)
    model = open_model(spec.pop("model"), where) if spec.get("model") is not None else None
    return _settled(RulesJudge, {"rules": made, "model": model, **spec}, where)


def _panel(spec: dict[str, Any], folder: Path, where: str) -> Judge:
    return _settled(PanelJudge, spec, where)


def _mixture(spec: dict[str, Any], folder: Path, where: str) -> Judge:
    reviewers = tuple(open_model(m, where) for m in spec.pop("reviewers", ()))
    aggregator = open_model(spec.pop("aggregator", None), where)
    return _settled(MixtureJudge, {"reviewers": reviewers, "aggregator": aggregator, **spec}, where)


def _verifiable(spec: dict[str, Any], folder: Path, where: str) -> Judge:
    from truenorth.base import read_jsonl

    rows = list(read_jsonl(folder / spec.pop("rows")))
    return VerifiableJudge.of_rows(rows, folder=str(folder), **spec)


def _constraints(spec: dict[str, Any], folder: Path, where: str) -> Judge:
    if "items" not in spec:
        raise UserError("setting items is missing", where=where, expected="a JSON or JSONL file")
    items = read_items(folder / spec.pop("items"))
    model = open_model(spec.pop("model"), where) if spec.get("model") is not None else None
    return _settled(ConstraintsJudge, {"items": items, "model": model, "folder": str(folder), **spec}, where)


def _refusal(spec: dict[str, Any], folder: Path, where: str) -> Judge:
    return RefusalJudge.load(folder / spec["path"]) if spec.get("path") else RefusalJudge.by_words()


def _check(spec: dict[str, Any], folder: Path, where: str) -> Judge:
    name = spec.pop("name", "")
    return VerifiableCheck(bind(name, spec, folder=folder, where=where), f"check:{name}")


def _people(spec: dict[str, Any], folder: Path, where: str) -> Judge:
    if not isinstance(file := spec.pop("store", None), str):
        raise UserError("setting store is missing", where=where, expected="the file of the queue")
    return _settled(PeopleJudge, {"store": folder / file, **spec}, where)


def _settled(kind: Any, spec: dict[str, Any], where: str) -> Judge:
    try:
        return kind(**spec)
    except TypeError as error:
        raise UserError(str(error), where=where) from error


def _constitution(spec: dict[str, Any], folder: Path, where: str) -> Judge:
    from truenorth.constitution import load

    allow_code = spec["allow_code"]
    return compile(load(spec["path"], allow_code=allow_code), allow_code=allow_code)


def _own(name: str, spec: dict[str, Any], folder: Path, where: str, *, allow_code: bool) -> Judge:
    """A judge made by somebody's own class or function, imported from beside the file or from where Python finds it.

    It runs in this process, with all that this process may do.
    """
    prefix, _, rest = name.partition(":")
    if prefix in KINDS:
        raise UserError(
            "is not one word",
            where=where,
            expected=f"kind: {prefix}, and name: {rest}"
            if prefix == "check"
            else f"kind: {prefix}, and its settings",
        )
    if prefix == "openai":
        expected = (
            "a YAML file with a kind that asks, such as `kind: logprob`, and `model: {url: ..., model: ...}`"
        )
        raise UserError("an endpoint alone is no judge", where=where, expected=expected)
    if not allow_code:
        raise UserError("is code of your own", where=where, fix="--allow-code runs it")
    with beside(folder):
        made = find("truenorth.judges", name, where=where)
    if spec.get("model") is not None:
        spec["model"] = open_model(spec["model"], where)
    judge = _settled(made, spec, where) if callable(made) else made
    if not isinstance(judge, Judge) or isinstance(judge, type):
        raise UserError(
            "is no judge", where=where, expected="`name`, and `judge(groups)` that gives judgements"
        )
    return judge


@contextmanager
def beside(folder: Path) -> Iterator[None]:
    """Within it, modules beside a file can be imported."""
    sys.path.insert(0, str(folder.resolve()))
    try:
        yield
    finally:
        sys.path.remove(str(folder.resolve()))


MAKERS: dict[str, Callable[[dict[str, Any], Path, str], Judge]] = {
    "rules": _rules,
    "panel": _panel,
    "mixture": _mixture,
    "verifiable": _verifiable,
    "constraints": _constraints,
    "refusal": _refusal,
    "people": _people,
    "check": _check,
    "constitution": _constitution,
    "classifier": lambda spec, folder, where: TextClassifierJudge.load(
        folder / spec["path"], of=spec.get("of", "mean")
    ),
    "reward": lambda spec, folder, where: RewardJudge.load(folder / spec["path"]),
}


@dataclasses.dataclass(frozen=True)
class VerifiableCheck:
    """One check as a judge."""

    check: Any
    name: str

    def judge(self, groups: Any) -> Any:
        """A judgement per completion; none where the check does not apply."""
        from truenorth.judges._prompts import asked
        from truenorth.records import Judgement

        return [
            [
                Judgement(self.check(asked(g.prompt), c) if c.strip() else None, self.name)
                for c in g.completions
            ]
            for g in groups
        ]


def check_names() -> list[str]:
    return names("truenorth.judges.checks")
