"""A comparison as people read it: one line a pair and metric, and the slices that stand out."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from truenorth.recipes.compared import Compared, Pair
from truenorth.report.words import shown

COLOURS = {"better": "green", "worse": "red", "cannot tell": "yellow"}
SHOWN_SLICES = 12


def is_rate(pair: Pair) -> bool:
    """Whether the scores lie in [0, 1], so that per cent is how people read them."""
    means = [pair.mean_first.mean, pair.mean_second.mean]
    return all(0 <= m <= 1 for m in means) and abs(pair.test.difference) <= 1


def points(value: float, rate: bool) -> str:
    """A signed difference, in points of per cent for rates."""
    if value != value or abs(value) == float("inf"):
        return "–"
    text = f"{100 * value:+.1f}" if rate else f"{value:+.3g}"
    return text.replace("-", "−")


def told(value: float, rate: bool) -> str:
    if value != value:
        return "–"
    return f"{100 * value:.1f}%" if rate else f"{value:.3g}".replace("-", "−")


def chance(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def settles(pair: Pair) -> str:
    """What would settle it."""
    if pair.more == 0:
        return "settled"
    return f"{pair.more:,} more" if pair.more > 0 else "no difference seen"


def sentence(pair: Pair) -> str:
    """The answer in words."""
    rate = is_rate(pair)
    interval = f"{points(pair.test.low, rate)} to {points(pair.test.high, rate)}"
    by = f"{points(pair.test.difference, rate)}{' points' if rate else ''} ({interval})"
    if pair.verdict == "cannot tell":
        return (
            f"{pair.second} against {pair.first} in {pair.metric}: chance could explain {by}; {settles(pair)}"
        )
    return f"{pair.second} is {pair.verdict} than {pair.first} in {pair.metric}: {by}"


def pairs_table(compared: Compared) -> Table:
    """Every two systems on every metric, as a table."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for title in (
        "metric",
        "systems",
        "means",
        "change",
        "95% interval",
        "p (Holm)",
        "items",
        "to settle",
    ):
        table.add_column(title, no_wrap=title == "p (Holm)")
    for pair in compared.pairs:
        rate, test = is_rate(pair), pair.test
        table.add_row(
            Text(shown(pair.metric) + (" (less is better)" if pair.lower_is_better else "")),
            Text(shown(f"{pair.first} → {pair.second}")),
            f"{told(pair.mean_first.mean, rate)} → {told(pair.mean_second.mean, rate)}",
            Text(f"{points(test.difference, rate)} {pair.verdict}", style=COLOURS[pair.verdict]),
            f"{points(test.low, rate)} to {points(test.high, rate)}",
            chance(pair.p_holm),
            f"{test.n:,}{'' if pair.paired else ' unpaired'}",
            settles(pair),
        )
    return table


def slices_table(pair: Pair) -> Table | None:
    """The slices of a pair, clearest first."""
    if not pair.slices:
        return None
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for title in (
        f"slices: {pair.metric}, {pair.first} → {pair.second}",
        "difference",
        "95% interval",
        "p (Holm)",
        "items",
    ):
        table.add_column(Text(shown(title)))
    rate = is_rate(pair)
    for part in sorted(pair.slices, key=lambda part: part.p_holm)[:SHOWN_SLICES]:
        table.add_row(
            Text(shown(f"{part.name} = {part.value}")),
            points(part.test.difference, rate),
            f"{points(part.test.low, rate)} to {points(part.test.high, rate)}",
            chance(part.p_holm),
            f"{part.test.n:,}",
        )
    return table


def remarks(compared: Compared) -> list[str]:
    """What a reader must know beside the table."""
    found = []
    for pair in compared.pairs:
        who = f"{pair.metric}, {pair.first} → {pair.second}"
        rate = is_rate(pair)
        if not pair.paired:
            found.append(f"{who}: no items in common, so not paired and far less certain")
        elif pair.only_first or pair.only_second:
            found.append(
                f"{who}: left out {pair.only_first:,} items of the first only, {pair.only_second:,} of the second"
            )
        if pair.unscored:
            span = ""
            if pair.worst is not None and pair.best is not None:
                ends = f"{points(pair.worst, rate)} to {points(pair.best, rate)}"
                span = f"; scored at their worst and best they leave {ends}"
            found.append(f"{who}: {pair.unscored:,} items without a score{span}")
    return found
