"""The gallery as one self-contained HTML page: no network, no script, everything from files escaped."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

from markupsafe import Markup

from truenorth.base import write_text
from truenorth.gallery import words
from truenorth.gallery.table import Entry, Gallery
from truenorth.report.plots import Scale
from truenorth.report.shell import page_of
from truenorth.report.words import plain


def gallery_page(gallery: Gallery) -> str:
    """The page."""
    source = resources.files("truenorth.gallery").joinpath("page.html").read_text(encoding="utf-8")
    scale = _scale(gallery)
    known = [e for e in gallery.entries if e.overall]
    first = known[0] if known else None
    told: dict[str, Callable[..., Any]] = {
        "chip": words.chip,
        "colour": words.colour,
        "gained": words.gained,
        "lost": words.lost,
        "made_by": words.made_by,
        "mark": words.mark,
        "more": words.more,
        "plain": plain,
        "range": words.score_interval,
        "reason": words.reason,
        "score": words.score,
        "strip": lambda entry: strip(entry, scale),
        "tell": words.tell,
        "verdict": words.verdict,
        "words": words.title,
    }
    return page_of(
        source,
        filters=told,
        g=gallery,
        known=known,
        failed=[e for e in gallery.entries if not e.overall],
        claimed=list(dict.fromkeys(name for e in known for name in e.claims)),
        sets={name: list(told) for name, told in (first.scores if first else {}).items()},
        abilities={name: list(told) for name, told in (first.abilities if first else {}).items()},
        headline=words.headline(gallery),
        facts=words.facts(gallery),
    )


def write_gallery(gallery: Gallery, folder: Path) -> Path:
    """`gallery.json` (a row of the table a line) and `gallery.html` in a folder; returns the page."""
    data = gallery.to_dict()
    rows = ",\n".join(json.dumps(entry, ensure_ascii=False, allow_nan=False) for entry in data.pop("entries"))
    head = json.dumps(data, ensure_ascii=False, allow_nan=False, indent=2).removesuffix("\n}")
    write_text(folder / "gallery.json", f'{head},\n  "entries": [\n{rows}\n]\n}}\n')
    return write_text(folder / "gallery.html", gallery_page(gallery))


def _scale(gallery: Gallery) -> Scale:
    """One axis for all gains, with zero inside."""
    gains = [e.overall.gain for e in gallery.entries if e.overall]
    low, high = min([0.0, *(g.low for g in gains)]), max([0.0, *(g.high for g in gains)])
    margin = 0.05 * (high - low) or 0.1
    return Scale(low - margin, high + margin)


def strip(entry: Entry, scale: Scale) -> Markup:
    """The gain on the base as a dot with its interval; the dashed line is the base."""
    if entry.overall is None:
        return Markup("")
    gain = entry.overall.gain
    zero, at, low, high = (f"{100 * scale.at(v):.2f}%" for v in (0.0, gain.difference, gain.low, gain.high))
    return Markup(
        '<svg class="strip" role="img" aria-label="{}" width="100%" height="22">'
        '<line class="goal" x1="{}" x2="{}" y1="0" y2="22"/>'
        '<line class="whisker aligned" x1="{}" x2="{}" y1="11" y2="11"/>'
        '<circle class="dot aligned" cx="{}" cy="11" r="5"/></svg>'
    ).format(f"{entry.name}: {words.gained(gain)} against the base", zero, zero, low, high, at)
