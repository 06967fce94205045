"""A comparison as one self-contained HTML page: no network, no script, everything from files escaped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from markupsafe import Markup

from truenorth.base import write_text
from truenorth.recipes.compare_gate import Decision
from truenorth.recipes.compare_table import chance, is_rate, points, remarks, sentence, settles
from truenorth.recipes.compared import Compared, Pair
from truenorth.report.plots import Scale
from truenorth.report.shell import page_of
from truenorth.stats import Paired


def compare_page(compared: Compared, decisions: Sequence[Decision] = ()) -> str:
    """The page."""
    source = resources.files("truenorth.recipes").joinpath("compare_page.html").read_text(encoding="utf-8")
    told: dict[str, Callable[..., Any]] = {
        "chance": chance,
        "settles": settles,
        "strip": lambda pair: _strip(pair, pair.test),
        "difference": lambda pair: points(pair.test.difference, is_rate(pair)),
        "interval": lambda pair: _interval(pair, pair.test),
        "slice_strip": lambda both: _strip(*both),
        "slice_told": lambda both: f"{points(both[1].difference, is_rate(both[0]))} ({_interval(*both)})",
    }
    return page_of(
        source,
        filters=told,
        c=compared,
        title=" against ".join(compared.systems[:2]) + (" and others" if len(compared.systems) > 2 else ""),
        headline=sentence(compared.pairs[0]),
        decisions=decisions,
        remarks=remarks(compared),
    )


def write_compare_page(path: str | Path, compared: Compared, decisions: Sequence[Decision] = ()) -> Path:
    return write_text(path, compare_page(compared, decisions))


def _interval(pair: Pair, test: Paired) -> str:
    rate = is_rate(pair)
    return f"{points(test.low, rate)} to {points(test.high, rate)}"


def _strip(pair: Pair, test: Paired) -> Markup:
    """The difference as a dot with its interval, zero in the middle."""
    reach = max([0.02, *(abs(v) for v in _edges(pair))]) * 1.1
    scale = Scale(-reach, reach)

    def at(value: float) -> str:
        return f"{100 * scale.at(value):.2f}%"

    marks = [f'<line class="goal" x1="{at(0)}" x2="{at(0)}" y1="0" y2="22"/>']
    if test.low > float("-inf") and test.high < float("inf"):
        marks.append(
            f'<line class="whisker aligned" x1="{at(test.low)}" x2="{at(test.high)}" y1="11" y2="11"/>'
        )
    if test.difference == test.difference:
        marks.append(f'<circle class="dot aligned" cx="{at(test.difference)}" cy="11" r="5"/>')
    told = f"{points(test.difference, is_rate(pair))}, {_interval(pair, test)}"
    return Markup('<svg class="strip" role="img" aria-label="{}" width="100%" height="22">{}</svg>').format(
        told, Markup("".join(marks))
    )


def _edges(pair: Pair) -> list[float]:
    """What a pair's strips must have room for; slices share its scale."""
    tests = [pair.test, *(part.test for part in pair.slices)]
    values = [v for test in tests for v in (test.low, test.high)]
    return [v for v in values if abs(v) < float("inf")]
