"""A self-contained page of another package in the report's style: no network, no script, everything put in escaped."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from importlib import resources
from typing import Any

from jinja2 import DictLoader, Environment, StrictUndefined
from markupsafe import Markup

from truenorth.report.words import shown

LONGEST = 400  # characters of a text that are shown


def page_of(source: str, *, filters: Mapping[str, Callable[..., Any]], **values: Any) -> str:
    """A page from the source of a template that extends `shell.html`: its blocks are title, header and main."""
    made = Environment(
        loader=DictLoader({"shell.html": _template("shell.html"), "page.html": source}),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        finalize=lambda value: shown(value, LONGEST) if type(value) is str else value,
    )
    made.filters |= dict(filters)
    style = _template("style.css")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return made.get_template("page.html").render(style=Markup(style), style_hash=digest, **values)


def _template(name: str) -> str:
    return resources.files("truenorth.report").joinpath("templates", name).read_text(encoding="utf-8")
