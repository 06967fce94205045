"""README.md of the aligned model's folder: what it is, what was measured, how it was made."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

from truenorth.report import words
from truenorth.report.schema import Comparison, Report, Target, check
from truenorth.report.verdict import headline, status, title_of, verdict


def model_card(data: Mapping[str, Any]) -> str:
    """A model card in the Hub's format: front matter, results with intervals, limits, how to make it again.

    Raises:
        UserError: the data is not a report.
    """
    report = check(data)
    told = verdict(report)
    parts = [
        f"---\n{yaml.safe_dump(_front_matter(report), sort_keys=False, allow_unicode=True)}---",
        f"# {_flat(report.title)}",
        f"**{headline(told)}.** {_flat(told.sentence)}",
        _results(report, report.set, report.set_description, report.principles),
        *(_results(report, name, s.description, s.principles) for name, s in report.sets.items()),
        _results(report, "facts and skills", "", report.capability) if report.capability else "",
        _targets(report),
        _making(report),
        "\n".join(f"- {_flat(note)}" for note in report.notes),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _front_matter(report: Report) -> dict[str, Any]:
    front: dict[str, Any] = {"library_name": "transformers", "tags": ["truenorth", "alignment"]}
    if report.base_model:
        front["base_model"] = report.base_model.name
    results = [
        {
            "task": {"type": "text-generation"},
            "dataset": {"name": f"{report.title} ({report.set})", "type": "truenorth"},
            "metrics": [
                {"type": name, "name": title_of(report, name), "value": round(c.aligned.mean, 4)}
                for name, c in report.principles.items()
                if c.aligned.mean is not None
            ],
        }
    ]
    name = report.aligned_model.name if report.aligned_model else report.title
    return front | {"model-index": [{"name": name, "results": results}]}


def _results(report: Report, name: str, about: str, comparisons: Mapping[str, Comparison]) -> str:
    lines = [
        f"## Measured: {_flat(name)}",
        "",
        *([_flat(about), ""] if about else []),
        "| | base | aligned | difference | n |",
        "|---|---|---|---|---|",
    ]
    for key, c in comparisons.items():
        cells = [
            title_of(report, key) + (" (lower is better)" if c.better == "lower" else ""),
            _estimate(c, "base"),
            _estimate(c, "aligned"),
            _difference(c),
            str(c.aligned.n or ""),
        ]
        lines.append("| " + " | ".join(map(_flat, cells)) + " |")
    return "\n".join(lines)


def _estimate(c: Comparison, side: str) -> str:
    value = getattr(c, side)
    spread = words.interval(value, c.unit)
    return words.number(value.mean, c.unit) + (f" ({spread})" if spread else "")


def _difference(c: Comparison) -> str:
    if c.paired is None:
        return ""
    spread = words.difference_interval(c.paired, c.unit)
    return words.difference(c.paired, c.unit) + (f" ({spread})" if spread else "")


def _targets(report: Report) -> str:
    lines = [f"- {_target(target)}" for target in report.targets]
    return "\n".join(["## Targets", "", *lines]) if lines else ""


def _target(target: Target) -> str:
    where = f" ({_flat(target.set)})" if target.set else ""
    wanted = f"{'at most' if target.at_most else 'at least'} {words.bound(target.bound, target.unit)}"
    measured = words.number(target.value.mean, target.unit)
    return f"{_flat(target.title)}{where}: wanted {wanted}, measured {measured}: {status(target)}"


def _making(report: Report) -> str:
    lines = ["## How it was made", ""]
    if report.base_model:
        lines.append(f"- base model: {_flat(report.base_model.name)}")
    if report.constitution:
        lines.append(f"- constitution: {_flat(report.constitution.label)}")
    if report.kl and report.kl.mean is not None:
        lines.append(f"- distance from the base: {words.number(report.kl.mean, report.kl.unit or 'nats')}")
    if report.command:
        lines.append(f"- command: `{_flat(report.command)}`")
    lines.append("- every row of its training data can be traced: `truenorth why RUN ROW`")
    return "\n".join(lines)


def _flat(text: str) -> str:
    """Text on one line of Markdown that cannot break a table, open a tag or start a link."""
    return re.sub(r"([|<>\[\]`\\])", r"\\\1", " ".join(words.shown(text).split())).replace("\\`", "'")
