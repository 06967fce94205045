"""A search as a table, as JSON and as a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from truenorth.base import write_json, write_text
from truenorth.recipes.auto import COUNTS, Entry, Search
from truenorth.report.shell import page_of
from truenorth.report.words import shown
from truenorth.stats import Estimate, Paired, holm, needed_n_mean

NONE = "–"


def points(value: float) -> str:
    return f"{100 * value:+.1f}".replace("-", "−")


def gain(found: Paired | None, told: str = "") -> str:
    """ "▲ +12.0 (+8.1 to +16.0)" points; a dash where no prompt was about it."""
    if found is None or not found.n:
        return NONE
    return f"{told} {points(found.difference)} ({points(found.low)} to {points(found.high)})".lstrip()


def share(found: Estimate | None) -> str:
    if found is None or not found.n:
        return NONE
    return f"{100 * found.mean:.1f} ({100 * found.low:.1f} to {100 * found.high:.1f})"


def cells(entry: Entry, search: Search) -> list[str]:
    """Gains, tax and cost of an entry, and how sure its place in the set is, in words."""
    known, often = told(search), search.steady.get(entry.name)
    gains = [gain(entry.gains.get(c), known.get((entry.name, c), "")) for c in COUNTS]
    sure = NONE if often is None or entry.round + 1 < len(search.rounds) else f"{100 * often:.0f}%"
    return [*gains, share(entry.tax), f"{entry.cpu_s:,.0f}", sure]


def told(search: Search) -> dict[tuple[str, str], str]:
    """(recipe, count) -> "▲" or "▼", where the gain is more than chance: Holm's correction over the whole table."""
    gains = told_of(search)
    adjusted = holm([found.p for *_, found in gains])
    return {
        (name, count): "▲" if found.difference > 0 else "▼"
        for (name, count, found), p in zip(gains, adjusted, strict=True)
        if p < CHANCE
    }


def told_of(search: Search) -> list[tuple[str, str, Paired]]:
    """The gains of the whole table: one look at all of them is as many tests."""
    return [(e.name, c, found) for e in ordered(search) for c, found in e.gains.items() if found.n]


COLUMNS = (*COUNTS, "tax", "CPU s", "in the set")
CHANCE = 0.05


def table(search: Search) -> Table:
    """The last round, the Pareto set first; below it why candidates failed."""
    made = Table(
        box=None, pad_edge=False, padding=(0, 2, 0, 0), title=Text(headline(search)), title_justify="left"
    )
    for name in ("", "recipe", *COLUMNS):
        made.add_column(name, no_wrap=name == "recipe")
    entries = ordered(search)
    for entry in entries:
        if not entry.failed:
            made.add_row("*" if entry.name in search.front else "", Text(entry.name), *cells(entry, search))
    lost = [f"{entry.name}: {shown(entry.failed, 120)}" for entry in entries if entry.failed]
    made.caption, made.caption_justify = (Text("\n".join(lost)) if lost else None), "left"
    return made


def ordered(search: Search) -> list[Entry]:
    """The last round, then what earlier rounds left out, latest first."""
    seen: dict[str, Entry] = {}
    for entries in reversed(search.rounds):
        rank = sorted(
            entries, key=lambda e: (e.name not in search.front, bool(e.failed), -(e.worth if e.tax else 0))
        )
        for entry in rank:
            seen.setdefault(entry.name, entry)
    return list(seen.values())


def headline(search: Search) -> str:
    if not search.front:
        return "No candidate could be compared"
    if not told(search):
        return f"Nothing can be told from the base yet: {more(search)}"
    return f"None of the others beats these on every count: {', '.join(search.front)}"


def more(search: Search) -> str:
    """What would tell: of all gains the one that lacks least, were it as large as it looks, tested with the others."""
    gains = [(e.name, c, g) for e in search.last for c, g in e.gains.items() if g.n > 1 and g.difference]
    if not gains:
        return "no candidate moved at all; a larger budget, or fewer recipes, would train longer"
    level = 1 - CHANCE / len(told_of(search))
    times, name, count = min((_times(gain, level), name, count) for name, count, gain in gains)
    return f"{name} on {count} would need about {times:.1f} times as many prompts (--held), if it is what it looks like"


def _times(found: Paired, level: float) -> float:
    """How many times as many prompts would show this difference four times in five."""
    deviation = (found.high - found.low) / (2 * 1.96) * found.n**0.5
    return max(found.n + 1, needed_n_mean(found.difference, sd=deviation, level=level)) / found.n


def to_dict(search: Search, notes: Sequence[str]) -> dict[str, Any]:
    """For JSON."""
    return {
        "front": list(search.front),
        "in_the_set": {name: round(often, 3) for name, often in search.steady.items()},
        "spent": search.spent,
        "notes": list(notes),
        "rounds": [[entry_dict(entry) for entry in entries] for entries in search.rounds],
    }


def entry_dict(entry: Entry) -> dict[str, Any]:
    """An entry for JSON; without the prompts that it was judged on."""
    gains: Mapping[str, Any] = {name: found.to_dict() for name, found in entry.gains.items()}
    tax = entry.tax._asdict() if entry.tax and entry.tax.n else None
    told = {
        "name": entry.name,
        "round": entry.round + 1,
        "prompts": entry.prompts,
        "cpu_s": round(entry.cpu_s, 1),
    }
    return {**told, "gains": gains, "tax": tax, "failed": entry.failed}


def page(search: Search, notes: Sequence[str]) -> str:
    """The page: everything from files escaped, no script, no network."""
    source = resources.files("truenorth.recipes").joinpath("auto_page.html").read_text(encoding="utf-8")
    return page_of(
        source,
        filters={},
        headline=headline(search),
        columns=COLUMNS,
        rows=[(e, [] if e.failed else cells(e, search)) for e in ordered(search)],
        front=search.front,
        notes=notes,
        spent=search.spent,
    )


def write(search: Search, folder: Path, notes: Sequence[str]) -> Path:
    """`auto.json` and `auto.html`; returns the page."""
    write_json(folder / "auto.json", to_dict(search, notes))
    return write_text(folder / "auto.html", page(search, notes))
