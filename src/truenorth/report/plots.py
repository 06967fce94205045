"""Plots as inline SVG, drawn by hand: strips of dots with whiskers, and small line charts.

Strips use per-cent coordinates, so they stretch to any width while dots stay round. Colours and strokes come
from the page's style sheet by class, so they follow light, dark and print. Everything drawn is also in text.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup, escape

from truenorth.report.schema import Comparison, Curves, Series, Value
from truenorth.report.words import number, plain


class Scale(NamedTuple):
    """An axis: from `low` to `high`."""

    low: float
    high: float

    def at(self, value: float) -> float:
        """Where a value is, as a fraction in [0, 1]; what lies outside is drawn at the edge."""
        width = self.high - self.low
        return min(1.0, max(0.0, (value - self.low) / width)) if width > 0 else 0.5


def scale_of(comparison: Comparison) -> Scale:
    """0 to 1 for rates; for other units what the estimates and the target span, with a margin."""
    if comparison.unit == "rate":
        return Scale(0.0, 1.0)
    values = [v for e in (comparison.base, comparison.aligned) for v in (e.mean, e.low, e.high)]
    known = [v for v in (*values, comparison.target) if v is not None]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    margin = (high - low) * 0.15 or 0.5
    return Scale(low - margin, high + margin)


def strip(comparison: Comparison, label: str) -> Markup:
    """Base above, aligned below, each a dot with its interval; a dashed tick where the target is."""
    scale = scale_of(comparison)
    unit = comparison.unit
    said = (
        f"{label}: base {number(comparison.base.mean, unit)}, aligned {number(comparison.aligned.mean, unit)}"
    )
    marks = [f'<line class="grid" x1="{x}%" x2="{x}%" y1="2" y2="38"/>' for x in (0, 25, 50, 75, 100)]
    if comparison.target is not None:
        x = _x(scale, comparison.target)
        marks.append(f'<line class="goal" x1="{x}" x2="{x}" y1="0" y2="40"/>')
    marks += [_dot(comparison.base, scale, "base", 12), _dot(comparison.aligned, scale, "aligned", 28)]
    return Markup('<svg class="strip" role="img" aria-label="{}" width="100%" height="40">{}</svg>').format(
        said, Markup("".join(marks))
    )


def spark(value: Value, label: str, *, chance: float | None = None) -> Markup:
    """One rate as a dot with its interval."""
    marks = [f'<line class="grid" x1="{x}%" x2="{x}%" y1="2" y2="20"/>' for x in (0, 50, 100)]
    if chance is not None:
        x = _x(Scale(0, 1), chance)
        marks.append(f'<line class="goal" x1="{x}" x2="{x}" y1="0" y2="22"/>')
    marks.append(_dot(value, Scale(0, 1), "aligned", 11))
    return Markup('<svg class="strip" role="img" aria-label="{}" width="100%" height="22">{}</svg>').format(
        f"{label}: {number(value.mean, 'rate')}", Markup("".join(marks))
    )


def _dot(value: Value, scale: Scale, kind: str, y: int) -> str:
    if value.mean is None:
        return ""
    whisker = ""
    if value.low is not None and value.high is not None:
        low, high = _x(scale, value.low), _x(scale, value.high)
        whisker = f'<line class="whisker {kind}" x1="{low}" x2="{high}" y1="{y}" y2="{y}"/>'
    return f'{whisker}<circle class="dot {kind}" cx="{_x(scale, value.mean)}" cy="{y}" r="5"/>'


def _x(scale: Scale, value: float) -> str:
    return f"{100 * scale.at(value):.2f}%"


class Panel(NamedTuple):
    """A line chart: lines over the same x, and where the kept weights are."""

    title: str
    about: str
    x_title: str
    lines: list[Series]
    mark: float | None


GAMED = "The judge that trains beside one that training never sees: where only the first rises, it is gamed."


def panels(curves: Curves) -> list[Panel]:
    """The curves cut into charts: both rewards in one, the rewards against distance, the rest one each."""
    by_role: dict[str, list[Series]] = {}
    for series in curves.series:
        if len(_known(series)) >= 2:
            by_role.setdefault(series.role, []).append(series)
    rewards = [*by_role.pop("proxy", []), *by_role.pop("held_out", [])]
    kl = by_role.get("kl", [])
    found = []
    if rewards:
        found.append(Panel("Reward", GAMED, "step", rewards, curves.stopped_at))
    if rewards and kl:
        far = [_against(series, kl[0]) for series in rewards]
        mark = dict(_known(kl[0])).get(curves.stopped_at) if curves.stopped_at is not None else None
        if all(len(series.points) >= 3 for series in far):
            about = "The same rewards over how far the model has moved from the base."
            distance = Panel("Reward against distance", about, "√KL", far, _root(mark))
            found.append(distance)
    for series in (s for group in by_role.values() for s in group):
        unit = f" ({series.unit})" if series.unit else ""
        title = series.title[:1].upper() + series.title[1:]
        found.append(Panel(title + unit, "", "step", [series], curves.stopped_at))
    return found


def _against(series: Series, kl: Series) -> Series:
    distance = {step: math.sqrt(max(0.0, value)) for step, value in _known(kl)}
    points = [(distance[step], value) for step, value in _known(series) if step in distance]
    return series.model_copy(update={"points": sorted(points), "band": []})


def _root(value: float | None) -> float | None:
    return None if value is None else math.sqrt(max(0.0, value))


def _known(series: Series) -> list[tuple[float, float]]:
    return [(x, y) for x, y in series.points if y is not None]


WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 380, 210, 44, 12, 14, 30


def chart(panel: Panel) -> Markup:
    """A line chart. Its label says where each line begins and ends."""
    points = [p for line in panel.lines for p in _known(line)]
    bands = [v for line in panel.lines for _, low, high in line.band for v in (low, high) if v is not None]
    xs, ys = [x for x, _ in points], [y for _, y in points] + bands
    x_scale, y_scale = Scale(min(xs), max(xs)), _roomy(min(ys), max(ys))
    parts = [_axes(x_scale, y_scale, panel.x_title)]
    if panel.mark is not None:
        x = _px(x_scale, panel.mark)
        parts.append(f'<line class="goal" x1="{x}" x2="{x}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>')
        side = "end" if x_scale.at(panel.mark) > 0.6 else "start"
        shift = -4 if side == "end" else 4
        parts.append(f'<text class="mark" x="{x + shift}" y="{TOP + 8}" text-anchor="{side}">kept</text>')
    for index, line in enumerate(panel.lines):
        parts.append(_line(line, x_scale, y_scale, f"line{index}"))
    said = "; ".join(
        f"{s.title} from {plain(_known(s)[0][1])} to {plain(_known(s)[-1][1])}" for s in panel.lines
    )
    return Markup('<svg class="chart" role="img" aria-label="{}" viewBox="0 0 {} {}">{}</svg>').format(
        f"{panel.title}: {said}", WIDTH, HEIGHT, Markup("".join(parts))
    )


def _line(series: Series, x_scale: Scale, y_scale: Scale, kind: str) -> str:
    known = _known(series)
    path = " ".join(f"{_px(x_scale, x):.1f},{_py(y_scale, y):.1f}" for x, y in known)
    band = ""
    edges = [(x, low, high) for x, low, high in series.band if low is not None and high is not None]
    if edges:
        upper = [f"{_px(x_scale, x):.1f},{_py(y_scale, high):.1f}" for x, _, high in edges]
        lower = [f"{_px(x_scale, x):.1f},{_py(y_scale, low):.1f}" for x, low, _ in reversed(edges)]
        band = f'<polygon class="band {kind}" points="{" ".join(upper + lower)}"/>'
    dots = "".join(
        f'<circle class="{kind}" cx="{_px(x_scale, x):.1f}" cy="{_py(y_scale, y):.1f}" r="2.6"/>'
        for x, y in (known if len(known) <= 25 else known[-1:])
    )
    return f'{band}<polyline class="curve {kind}" points="{path}"/>{dots}'


def _axes(x_scale: Scale, y_scale: Scale, x_title: str) -> str:
    parts = []
    for value in ticks(y_scale.low, y_scale.high, 5):
        y = _py(y_scale, value)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 3.5:.1f}" text-anchor="end">{plain(value)}</text>')
    for value in ticks(x_scale.low, x_scale.high, 5):
        x = _px(x_scale, value)
        parts.append(
            f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 15}" text-anchor="middle">{plain(value)}</text>'
        )
    base = HEIGHT - BOTTOM
    parts.append(f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{base}" y2="{base}"/>')
    parts.append(f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 2}" text-anchor="end">{escape(x_title)}</text>')
    return "".join(parts)


def ticks(low: float, high: float, about: int) -> list[float]:
    """Round numbers within [low, high]: steps of 1, 2 or 5 times a power of ten, about so many.

    >>> ticks(0.0, 240.0, 5)
    [0.0, 50.0, 100.0, 150.0, 200.0]
    """
    if high <= low:
        return [low]
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(k * step, 12) for k in range(first, math.floor(high / step + 1e-9) + 1)]


def _roomy(low: float, high: float) -> Scale:
    margin = (high - low) * 0.08 or abs(high) * 0.1 or 0.5
    return Scale(low - margin if low != 0 else 0.0, high + margin)


def _px(scale: Scale, value: float) -> float:
    return LEFT + scale.at(value) * (WIDTH - LEFT - RIGHT)


def _py(scale: Scale, value: float) -> float:
    return HEIGHT - BOTTOM - scale.at(value) * (HEIGHT - BOTTOM - TOP)


def shares(values: Sequence[float]) -> list[float]:
    """Values as percentages of the largest, for bars."""
    largest = max(values, default=0.0)
    return [100 * value / largest if largest > 0 else 0.0 for value in values]
