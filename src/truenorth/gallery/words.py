"""The table in words, for the terminal and the page."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from truenorth.gallery.table import Entry, Gallery, Number
from truenorth.report.schema import PairedValue, Value
from truenorth.report.words import NONE, difference, interval, number, plain, shown
from truenorth.stats import Estimate, Paired


def gained(gain: Paired | None) -> str:
    """ "+12 points (+8.1 to +16)"."""
    if gain is None or gain.test == "itself":
        return NONE
    value = PairedValue.model_validate(gain._asdict())
    low, high = (f"{100 * v:+.1f}".replace("-", "−") for v in (gain.low, gain.high))
    return f"{difference(value, 'rate')} ({low} to {high})"


def score(found: Number) -> str:
    return number(found.value.mean, "rate")


def score_interval(found: Number) -> str:
    return interval(Value.model_validate(found.value._asdict()), "rate")


def distance_interval(found: Estimate) -> str:
    """ "0.12 to 0.3" nats."""
    return interval(Value.model_validate(found._asdict()))


def colour(gain: Paired) -> str:
    """Which side of zero the interval of a gain lies on: `good`, `bad`, or `wait` where it holds zero."""
    return "good" if gain.low > 0 else "bad" if gain.high < 0 else "wait"


def abilities(entry: Entry) -> dict[str, Number]:
    """Abilities of the main set: what alignment may have cost."""
    return dict(next(iter(entry.abilities.values()), {}))


def title(principle: str) -> str:
    return principle.replace("_", " ")


def console(gallery: Gallery) -> Table:
    """A plain table: rank, row, overall score and gain, what happened to the abilities, KL and CPU seconds."""
    table = Table(
        title=headline(gallery), box=None, pad_edge=False, padding=(0, 2, 0, 0), title_justify="left"
    )
    names = list(dict.fromkeys(name for e in gallery.entries for name in abilities(e)))
    for name in ("rank", "", "gold", "against base", *map(title, names), "KL", "CPU s"):
        table.add_column(name, no_wrap=name != "against base")
    for e in gallery.entries:
        if e.overall is None:
            table.add_row(NONE, Text(e.name), Text(shown(e.failed, 120), style="red"))
            continue
        style = {"good": "green", "bad": "red", "wait": "dim"}
        costs = [
            Text(f"{100 * n.gain.difference:+.1f}", style[colour(n.gain)]) for n in abilities(e).values()
        ]
        told = Text(gained(e.overall.gain), style[colour(e.overall.gain)])
        kl, cpu = plain(e.kl.mean if e.kl else 0.0), plain(e.cpu_s or 0.0)
        table.add_row(e.rank, Text(e.name), score(e.overall), told, *costs, kl, cpu)
    return table


def headline(gallery: Gallery) -> str:
    """One sentence on who is ahead."""
    known = [e for e in gallery.entries if e.overall]
    if len(known) < 2:
        return "Too few rows to compare"
    first = [e.name for e in known if e.best == 1]
    if len(first) == 1:
        return f"{first[0]} is ahead of all {len(known) - 1} others"
    return f"{len(first)} of {len(known)} rows share the first rank: their intervals overlap"
