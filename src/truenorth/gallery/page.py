"""The gallery as one self-contained HTML page: no network, no script, everything from files escaped."""

from __future__ import annotations

import base64
import hashlib
from importlib import resources
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from truenorth.base import write_json, write_text
from truenorth.gallery import words
from truenorth.gallery.table import Entry, Gallery
from truenorth.report.plots import Scale
from truenorth.report.words import plain, shown


def gallery_page(gallery: Gallery) -> str:
    """The page."""
    style = resources.files("truenorth.report").joinpath("templates/style.css").read_text(encoding="utf-8")
    source = resources.files("truenorth.gallery").joinpath("page.html").read_text(encoding="utf-8")
    made = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        finalize=lambda value: shown(value, 400) if type(value) is str else value,
    )
    scale = _scale(gallery)
    made.filters |= {
        "gained": words.gained,
        "score": words.score,
        "range": words.score_interval,
        "colour": words.colour,
        "distance": words.distance_interval,
        "title": words.title,
        "plain": plain,
        "strip": lambda entry: strip(entry, scale),
    }
    known = [e for e in gallery.entries if e.overall]
    first = known[0] if known else None
    return made.from_string(source).render(
        g=gallery,
        known=known,
        failed=[e for e in gallery.entries if not e.overall],
        sets={name: list(told) for name, told in (first.scores if first else {}).items()},
        abilities={name: list(told) for name, told in (first.abilities if first else {}).items()},
        headline=words.headline(gallery),
        style=Markup(style),
        style_hash=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
    )


def write_gallery(gallery: Gallery, folder: Path) -> Path:
    """`gallery.json` and `gallery.html` in a folder; returns the page."""
    write_json(folder / "gallery.json", gallery.to_dict())
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
