"""Run an application until Ctrl-C, on an address that it says once it is there."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import signal
import socket
from collections.abc import AsyncIterator, Callable

from aiohttp import web

from truenorth.base import UserError
from truenorth.serve.access import Access

Say = Callable[[str], None]


def run(app: web.Application, access: Access, port: int, *, say: Say) -> None:
    """Serve until interrupted (SIGINT or SIGTERM).

    Args:
        port: 0 takes a free one.
        say: gets the address to open, with its key where one is needed.

    Raises:
        UserError: the port is in use, or the address is not one of this machine.
    """
    asyncio.run(_serve(app, access, port, say))


async def _serve(app: web.Application, access: Access, port: int, say: Say) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError, RuntimeError):  # Windows; or not the main thread
            loop.add_signal_handler(number, stop.set)
    async with started(app, access, port) as address:
        say(address)
        await stop.wait()


@contextlib.asynccontextmanager
async def started(app: web.Application, access: Access, port: int) -> AsyncIterator[str]:
    """The application at work for as long as the block lasts. Yields the address to open."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await _listen(runner, access.host, port)
        yield _address(access, runner.addresses[0][1])
    finally:
        await runner.cleanup()


async def _listen(runner: web.AppRunner, host: str, port: int) -> None:
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        where = f"{host}:{port}"
        if error.errno == errno.EADDRINUSE:
            raise UserError("the port is in use", where=where, fix="--port 0 takes a free one") from error
        raise UserError(
            f"cannot listen ({error.strerror})", where=where, fix="see --host and --port"
        ) from error


def _address(access: Access, port: int) -> str:
    host = socket.gethostname() if access.host in ("0.0.0.0", "::") else access.host
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}:{port}/" + (f"?key={access.key}" if access.key else "")
