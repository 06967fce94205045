"""report.json to one self-contained HTML page: no network, no libraries, everything a model wrote escaped."""

from __future__ import annotations

import base64
import hashlib
import shlex
from collections.abc import Mapping
from functools import partial
from importlib import resources
from typing import Any, NamedTuple

from jinja2 import DictLoader, Environment, StrictUndefined
from markupsafe import Markup

from truenorth.engine import duration
from truenorth.report import plots, words
from truenorth.report.schema import Comparison, JudgeCard, Report
from truenorth.report.verdict import headline, status, title_of, verdict


class Line(NamedTuple):
    """A row of a comparison table: the same quantity in one or more sets."""

    id: str
    title: str
    detail: str
    cells: dict[str, Comparison]


RETRIED = "requests "  # losses of this kind were asked again: met, not lost
HEADING = 80  # characters of a description that fit above a column; longer ones stand above the table
JUDGE_COLUMNS = {
    "position_bias": "Position bias",
    "verbosity_bias": "Verbosity bias",
    "calibration_error": "Calibration error",
    "abstained": "No answer",
}


def render(report: Report) -> str:
    """The page."""
    style, script = _template("style.css"), _template("print.js")
    told = verdict(report)
    sets = [(report.set, report.set_description), *((n, s.description) for n, s in report.sets.items())]
    stages = [stage.kept + stage.dropped for stage in report.data]
    return (
        _environment()
        .get_template("page.html")
        .render(
            r=report,
            style=Markup(style),
            style_hash=_csp_hash(style),
            script=Markup(script),
            script_hash=_csp_hash(script),
            verdict=told,
            headline=headline(told),
            badge={True: "good", False: "bad", None: "wait"}[told.passed],
            principles=_lines(report, "principles"),
            columns=[(n, about if len(about) <= HEADING else "") for n, about in sets],
            abouts=[(n, about) for n, about in sets if len(about) > HEADING],
            capability=_abilities(report),
            capability_columns=_capability_columns(report),
            drift=[Line(i, c.title or i, c.detail, {"": c}) for i, c in report.drift.items()],
            panels=plots.panels(report.curves) if report.curves else [],
            judge_columns=_judge_columns(report.judge),
            signal_kappa=any(s.kappa is not None for s in report.signals),
            titles=partial(title_of, report),
            lower=_lower(report),
            lost=sum(n for name, n in report.losses.items() if not name.startswith(RETRIED)),
            widest=max(stages, default=0),
            longest=max((cost.wall_s for cost in report.costs.values()), default=0),
            sections=_sections(report),
        )
    )


def _lines(report: Report, part: str) -> list[Line]:
    """One line a principle (or ability), the main set's order first, with what each set says of it."""
    sets = {report.set: getattr(report, part), **{n: getattr(s, part) for n, s in report.sets.items()}}
    lines = []
    for name in dict.fromkeys(name for members in sets.values() for name in members):
        cells = {s: members[name] for s, members in sets.items() if name in members}
        first = next(iter(cells.values()))
        lower = "lower is better" if first.better == "lower" else ""
        lines.append(
            Line(name, title_of(report, name), " · ".join(filter(None, [first.detail, lower])), cells)
        )
    return lines


def _measured(report: Report, name: str) -> bool:
    return bool(report.capability if name == report.set else report.sets[name].capability)


def _abilities(report: Report) -> list[Line]:
    """One line an ability. Where the main set alone lists them, each names its set itself: no column does."""
    lines = _lines(report, "capability")
    if any(s.capability for s in report.sets.values()):
        return lines
    return [line._replace(cells={"": line.cells[report.set]}) for line in lines]


def _capability_columns(report: Report) -> list[tuple[str, str]]:
    there = [(n, "") for n in (report.set, *report.sets) if _measured(report, n)]
    return there if any(s.capability for s in report.sets.values()) else [("", "")]


def _lower(report: Report) -> set[str]:
    """The principles of which less is better."""
    parts = [report.principles, *(s.principles for s in report.sets.values())]
    return {name for part in parts for name, c in part.items() if c.better == "lower"}


def _judge_columns(cards: Mapping[str, JudgeCard]) -> list[tuple[str, str]]:
    return [
        (k, t) for k, t in JUDGE_COLUMNS.items() if any(getattr(c, k) is not None for c in cards.values())
    ]


def _sections(report: Report) -> list[tuple[str, str]]:
    has_tax = (
        report.capability or report.drift or report.kl or any(s.capability for s in report.sets.values())
    )
    there = [
        ("principles", "Principles", True),
        ("targets", "Targets", report.targets),
        ("tax", "Cost to the model", has_tax),
        ("training", "Training", report.curves and plots.panels(report.curves)),
        ("answers", "Answers", report.changes.better or report.changes.worse),
        ("judges", "Judges", report.judge or report.signals),
        ("data", "Data", report.data or report.samples),
        *((f"table{i}", table.title, True) for i, table in enumerate(report.tables, start=1)),
        ("cost", "Time", report.losses or report.costs or report.seconds is not None),
        ("again", "Again", True),
    ]
    return [(name, title) for name, title, present in there if present]


def _environment() -> Environment:
    made = Environment(
        loader=DictLoader({name: _template(name) for name in ("page.html", "macros.html")}),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: words.shown(value, 10**9) if type(value) is str else value,
    )
    made.filters |= {
        "number": words.number,
        "bound": words.bound,
        "interval": words.interval,
        "difference": words.difference,
        "difference_interval": words.difference_interval,
        "p_value": words.p_value,
        "change": words.change,
        "count": words.count,
        "shown": words.shown,
        "duration": duration,
        "status": status,
        "strip": plots.strip,
        "spark": plots.spark,
        "chart": plots.chart,
        "share": lambda value, whole: round(100 * value / whole, 2) if whole else 0,
        "quoted": shlex.quote,
        "bare": lambda unit: unit if unit == "rate" else "",
        "cell": _table_cell,
        "targeted": lambda lines: any(c.target is not None for line in lines for c in line.cells.values()),
        "rates": lambda lines, name: all(
            line.cells[name].unit == "rate" for line in lines if name in line.cells
        ),
    }
    return made


def _table_cell(value: Any) -> str:
    return value if isinstance(value, str) else words.number(value)


def _template(name: str) -> str:
    return resources.files("truenorth.report").joinpath("templates", name).read_text(encoding="utf-8")


def _csp_hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
