"""The page on which people label answers, and the few requests it makes."""

from __future__ import annotations

import base64
import hashlib
import json
from importlib import resources
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from truenorth.base import UserError
from truenorth.records.labels import SCALE, check_name
from truenorth.serve.access import Access, guard
from truenorth.serve.labelling import ASKS, Ask, Desk

LARGEST = 2**20  # bytes of a request: an edited answer may be long
POLICY = (
    "default-src 'none'; connect-src 'self'; style-src '{style}'; script-src '{script}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def annotation_app(desk: Desk, access: Access) -> web.Application:
    """The application: the page at /, and what it asks for under /api."""
    html, policy = page(desk)

    async def show(_: web.Request) -> web.Response:
        headers = {"Content-Security-Policy": policy}
        return web.Response(text=html, content_type="text/html", headers=headers)

    async def task(request: web.Request) -> web.Response:
        annotator, ask = check_name(request.query.get("annotator")), _ask(request.query.get("ask"))
        return _json({"task": desk.next(annotator, ask), "state": desk.state(annotator, ask)})

    async def label(request: web.Request) -> web.Response:
        body = await _body(request)
        ask = _ask(body.get("ask"))
        stored = desk.label(body)
        state = desk.state(stored.annotator, ask)
        lesson = desk.practice[ask].lesson(stored, desk.answers)
        return _json({"task": desk.view(stored.annotator, stored.task), "state": state, "lesson": lesson})

    async def undo(request: web.Request) -> web.Response:
        body = await _body(request)
        annotator, ask = check_name(body.get("annotator")), _ask(body.get("ask"))
        back = desk.undo(annotator)
        return _json({"task": back, "state": desk.state(annotator, ask)})

    app = web.Application(middlewares=[guard(access), _mistakes], client_max_size=LARGEST)
    app.router.add_get("/", show)
    app.router.add_get("/api/task", task)
    app.router.add_post("/api/label", label)
    app.router.add_post("/api/undo", undo)
    return app


def page(desk: Desk) -> tuple[str, str]:
    """The page and its content security policy. No answer is in it: they come one task at a time."""
    report = resources.files("truenorth.report").joinpath("templates/style.css").read_text(encoding="utf-8")
    here = resources.files("truenorth.serve")
    style = report + here.joinpath("annotate.css").read_text(encoding="utf-8")
    script = here.joinpath("annotate.js").read_text(encoding="utf-8")
    template = here.joinpath("annotate.html").read_text(encoding="utf-8")
    made = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    html = made.from_string(template).render(
        style=Markup(style),
        script=Markup(script),
        criterion=desk.criterion,
        asks=ASKS if any(len(t.answers) > 1 for t in desk.tasks.values()) else ASKS[1:],
        ask=desk.ask,
        scale=SCALE,
        total=len(desk.tasks),
    )
    return html, POLICY.format(style=_hash(style), script=_hash(script))


@web.middleware
async def _mistakes(request: web.Request, handler: Handler) -> web.StreamResponse:
    """What is wrong with a request, in one line of JSON."""
    try:
        return await handler(request)
    except UserError as error:
        return _json({"error": str(error)}, status=400)


async def _body(request: web.Request) -> dict[str, Any]:
    try:
        body = await request.json()
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError("not JSON", where="request") from error
    if not isinstance(body, dict):
        raise UserError("not an object", where="request")
    return body


def _ask(given: Any) -> Ask:
    if given not in ASKS:
        raise UserError(f"ask {given!r}", where="request", expected="one of " + ", ".join(ASKS))
    return given


def _json(value: Any, status: int = 200) -> web.Response:
    return web.json_response(value, status=status)


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
