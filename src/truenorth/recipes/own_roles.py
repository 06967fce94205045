"""Who judges what on a model of one's own: what trains each principle, and what measures it in the end.

A principle is trained by its checks; without checks by a judge fitted on `--labels`; without these by the
endpoint of `--judge`. It is measured by what its `measured_by` names, or else by an endpoint that did not
train it. Where there is nothing of the kind, the judge that trained measures too, and no verdict rests on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from truenorth.base import UserError
from truenorth.constitution import Constitution, Principle
from truenorth.judges import compile, read_labels
from truenorth.judges.foreign import foreign, source_file
from truenorth.judges.reward import Label, check_labels, labelled_rows
from truenorth.judges.text_classifier import TextClassifierJudge

Trains = Literal["checks", "labels", "judge", "nothing"]
Measures = Literal["classifier", "code", "measure", "judge", "labels", "checks", "itself"]
WORDS = {
    "checks": "its checks",
    "nothing": "nothing",
    "labels": "a judge fitted on the labels",
    "judge": "the endpoint of --judge",
    "measure": "the endpoint of --measure",
    "classifier": "a classifier",
    "code": "code",
    "itself": "the judge that trained, so without a verdict",
}


class Role(NamedTuple):
    """What trains a principle and what measures it; `named` is what its measure names: a file, code."""

    trains: Trains
    measures: Measures
    named: str = ""


@dataclass(frozen=True)
class Means:
    """What there is to judge with.

    Args:
        labels: rated answers.
        judge, measure: endpoints, as people name them; "" where there is none.
        data: where files that the constitution names are found; the constitution's own folder by default.
    """

    labels: Path | None = None
    judge: str = ""
    measure: str = ""
    data: Path | None = None
    allow_code: bool = False

    def folder(self, constitution: Constitution) -> Path:
        return self.data or (constitution.path.parent if constitution.path else Path())


def roles(constitution: Constitution, means: Means, *, measuring: bool = False) -> dict[str, Role]:
    """Principle -> its role. Everything that can be wrong is found here, before any model is loaded.

    Args:
        measuring: nothing is trained, so that checks may measure and need not train.

    Raises:
        UserError: a principle that nothing can judge, a check or classifier that does not work, or one
            endpoint that is to train and to measure.
    """
    compile(constitution, folder=means.folder(constitution), allow_code=means.allow_code)
    if means.measure and means.measure == means.judge:
        what = f"{means.measure} would measure what it trained"
        raise UserError(what, where="--measure", expected="another model, or another address")
    if measuring:
        return _measuring_roles(constitution, means)
    unjudged = [p.id for p in constitution.principles if not _trains(p, means)]
    if unjudged:
        raise UserError(
            f"nothing can judge {', '.join(unjudged)}",
            where=str(constitution.path or constitution.label),
            expected="checks in the constitution, --labels with answers rated by it, or --judge",
            fix=_others_labelled(means.labels, constitution) if means.labels else "",
        )
    return {p.id: _role(p, means, constitution) for p in constitution.principles}


def _measuring_roles(constitution: Constitution, means: Means) -> dict[str, Role]:
    found = {p.id: _role(p, means, constitution) for p in constitution.principles}
    own = {name: role._replace(measures="checks") for name, role in found.items() if role.trains == "checks"}
    found |= {name: role for name, role in own.items() if found[name].measures == "itself"}
    if unmeasured := [name for name, role in found.items() if role.measures == "itself"]:
        raise UserError(
            f"nothing can measure {', '.join(unmeasured)}",
            where=str(constitution.path or constitution.label),
            expected="checks or `measured_by: classifier:FILE` in the constitution, or --measure openai:MODEL",
        )
    return found


def _others_labelled(path: Path, constitution: Constitution) -> str:
    """The principles that labels are about and the constitution has not: names that were written otherwise."""
    named = dict.fromkeys(str(row["principle"]) for row in labelled_rows(path) if row.get("principle"))
    others = ", ".join(name for name in named if name not in constitution.ids)
    return f"{path} has labels about {others}, which the constitution has not" if others else ""


def _trains(p: Principle, means: Means) -> Trains | None:
    if p.checks:
        return "checks"
    if means.labels and labels_of(means.labels, p.id):
        return "labels"
    return "judge" if means.judge else None


def labels_of(path: Path, principle: str) -> list[Label]:
    """The labels about a principle (those that name it, or name none); refused if too few or one-sided."""
    labels = read_labels(path, principle=principle)
    if labels:
        check_labels(labels)
    return labels


def _role(p: Principle, means: Means, constitution: Constitution) -> Role:
    trains = _trains(p, means) or "nothing"
    kind, _, rest = (p.measured_by or "").partition(":")
    where = f"principle {p.id}, measured_by"
    if kind == "classifier":
        classifier(rest, means.folder(constitution), where)
        return Role(trains, "classifier", rest)
    if p.measured_by and p.measured_by in p.code:
        if not means.allow_code:
            raise UserError(f"names code ({p.measured_by})", where=where, fix="--allow-code")
        foreign(p.measured_by, folder=means.folder(constitution), where=where)
        return Role(trains, "code", p.measured_by)
    if means.measure:
        return Role(trains, "measure", means.measure)
    if means.judge and trains != "judge":
        return Role(trains, "judge", means.judge)
    if means.labels and trains != "labels" and labels_of(means.labels, p.id):
        return Role(trains, "labels", str(means.labels))
    return Role(trains, "itself")


def classifier(spec: str, folder: Path, where: str) -> TextClassifierJudge:
    """A classifier from `FILE` or `FILE?of=mean|lowest|last`."""
    file, _, options = spec.partition("?")
    key, _, of = options.partition("=")
    if options and key != "of":
        raise UserError(f"{spec!r}", where=where, expected="classifier:FILE?of=mean, lowest or last")
    if not (folder / file).is_file():
        fix = "give the folder of such files with --data DIR"
        raise UserError(f"no file {folder / file}", where=where, fix=fix)
    return TextClassifierJudge.load(folder / file, of=of or "mean")


def files_of(constitution: Constitution, means: Means) -> list[Path]:
    """The files that checks and measures name: what verdicts depend on beside the constitution itself."""
    named = [
        str(c.settings["path"]) for p in constitution.principles for c in p.checks if "path" in c.settings
    ]
    kinds = [(p.measured_by or "").partition(":") for p in constitution.principles]
    named += [rest.partition("?")[0] for kind, _, rest in kinds if kind == "classifier"]
    folder = means.folder(constitution)
    modules = [name.partition(":")[0] for p in constitution.principles for name in p.code]
    sources = [source_file(module, folder) for module in dict.fromkeys(modules)]
    return [folder / name for name in dict.fromkeys(named)] + [path for path in sources if path]
