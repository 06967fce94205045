"""Who may talk to a server of ours, and what browsers may do with what it says.

On loopback anybody on this machine may, so long as their browser was not sent here by another site: the Host
header must name this machine (a name that an attacker points at 127.0.0.1 does not), and what changes
something must come from our own page. Anywhere else a key is asked for.
"""

from __future__ import annotations

import hmac
import ipaddress
import os
import secrets
from typing import NamedTuple
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from truenorth.base import UserError

COOKIE = "truenorth_key"
KEY_VARIABLE = "TRUENORTH_KEY"
LOOPBACK = ("localhost", "127.0.0.1", "::1")
LEAST_KEY = 16  # characters
HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Access(NamedTuple):
    """`key` is None on loopback."""

    host: str
    key: str | None

    def __repr__(self) -> str:
        return f"Access({self.host!r}, {'with a key' if self.key else 'loopback'})"


def access_for(host: str) -> Access:
    """What a server on this address asks for: nothing on loopback, else $TRUENORTH_KEY or a key made now.

    Raises:
        UserError: the key in the environment is too short to be one.
    """
    if is_loopback(host):
        return Access(host, None)
    given = os.environ.get(KEY_VARIABLE, "")
    if given and len(given) < LEAST_KEY:
        raise UserError("too short", where=f"${KEY_VARIABLE}", expected=f"{LEAST_KEY} characters or more")
    return Access(host, given or secrets.token_urlsafe(24))


def is_loopback(host: str) -> bool:
    try:
        return host.casefold() == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def guard(access: Access) -> Middleware:
    """The middleware that lets a request in or answers 403 (401 without the key), and sets safe headers."""

    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        if access.key and (given := request.query.get("key")) and request.path == "/":
            return _let_in(access.key, given, request)
        refusal = refused(access, request)
        response = refusal or await handler(request)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    return guarded


def refused(access: Access, request: web.Request) -> web.Response | None:
    """The answer to a request that may not come in, or None."""
    if access.key is None and not _names_us(request.host, access.host):
        return _no(403, f"this server is not {request.host!r}; open it by the address that it printed")
    if access.key is not None and not _has_key(access.key, request):
        return _no(401, "a key is needed: open the address, with its key, that the server printed")
    if request.method in ("GET", "HEAD"):
        return None
    origin = request.headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc.casefold() != request.host.casefold():
        return _no(403, "this came from another site's page")
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        return _no(403, "this came from another site's page")
    if request.content_type != "application/json":  # forms of other sites cannot send it without being asked
        return _no(415, "send JSON (Content-Type: application/json)")
    return None


def _names_us(said: str, host: str) -> bool:
    name = urlsplit(f"//{said}").hostname or ""
    return name.casefold() in {*LOOPBACK, host.casefold()}


def _has_key(key: str, request: web.Request) -> bool:
    bearer = request.headers.get("Authorization", "").removeprefix("Bearer ")
    return any(_same(key, given) for given in (request.cookies.get(COOKIE, ""), bearer))


def _let_in(key: str, given: str, request: web.Request) -> web.Response:
    """Trade the key in the address for a cookie, so that it leaves the address bar."""
    if not _same(key, given):
        return _no(401, "this is not the key")
    response = web.Response(status=303, headers={"Location": "/", **HEADERS})
    response.set_cookie(COOKIE, key, httponly=True, samesite="Strict", secure=request.secure, path="/")
    return response


def _same(key: str, given: str) -> bool:
    return hmac.compare_digest(key.encode(), given.encode(errors="replace"))


def _no(status: int, why: str) -> web.Response:
    return web.json_response({"error": why}, status=status)
