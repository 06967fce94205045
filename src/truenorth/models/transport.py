"""Many requests to one endpoint: so many in flight, faults retried with back-off, everything counted."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple, TypeVar

import aiohttp
import numpy as np

from truenorth.base import UserError, json_text, seed_of, uniform
from truenorth.models.replies import Reply, Unreadable, read_reply

T = TypeVar("T")
RETRIED = {408: "timeout", 409: "server_error", 425: "server_error", 429: "rate_limited"}


@dataclass
class Usage:
    """What an endpoint has cost so far. `by_kind` counts every fault met, mended or not."""

    requests: int = 0  # sent, retries included
    retries: int = 0
    answered: int = 0
    cached: int = 0  # answered from disk
    refusals: int = 0
    errors: int = 0  # given up
    tokens_in: int = 0
    tokens_out: int = 0
    by_kind: Counter[str] = field(default_factory=Counter)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"by_kind": dict(self.by_kind)}


@dataclass(frozen=True)
class Policy:
    """How patient to be with an endpoint. Times in seconds."""

    in_flight: int = 64
    retries: int = 8  # further attempts after the first
    timeout_s: float = 120.0
    backoff_s: float = 0.5  # before the first retry; doubles each time, with jitter
    backoff_max_s: float = 30.0
    retry_after_max_s: float = 120.0  # an endpoint that asks for a longer wait has given up on us
    max_requests: int | None = None  # over the life of the model, retries included


class Failure(NamedTuple):
    """A request that was given up."""

    kind: str
    what: str


class Endpoint(NamedTuple):
    """Where requests go. `key` is sent as a bearer token and shown nowhere."""

    url: str
    key: str | None

    def __repr__(self) -> str:
        return f"Endpoint({self.url!r})"

    def redact(self, text: str) -> str:
        """The text without the key, should an endpoint say it back."""
        return text.replace(self.key, "***") if self.key else text


Read = Callable[[Reply], T]  # raises Unreadable


async def ask_all(
    endpoint: Endpoint,
    bodies: Sequence[dict[str, Any]],
    read: Read[T],
    *,
    policy: Policy,
    usage: Usage,
    done: Callable[[int, T | Failure], None],
    seed: int = 0,
) -> None:
    """Post every body; hand each result to `done` with its number, as it comes. Nothing is left out.

    Args:
        read: what a reply means; a reply it cannot read is asked for again.

    Raises:
        UserError: nothing was answered yet, and the endpoint is not there or refuses the key or the model.
    """
    headers = {"Content-Type": "application/json"}
    if endpoint.key:
        headers["Authorization"] = f"Bearer {endpoint.key}"
    connector = aiohttp.TCPConnector(limit=policy.in_flight, keepalive_timeout=60)
    timeout = aiohttp.ClientTimeout(total=policy.timeout_s)
    queue = iter(enumerate(bodies))
    gate = _Gate()
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, headers=headers) as session:

        async def work() -> None:
            for number, body in queue:
                jitter = np.array([seed_of(seed, number)], dtype=np.uint64)
                done(number, await _ask(session, endpoint, body, read, policy, usage, gate, jitter))

        async with asyncio.TaskGroup() as group:
            for _ in range(min(policy.in_flight, len(bodies))):
                group.create_task(work())


def run(work: Awaitable[None]) -> None:
    """Run it to its end, also inside a running event loop (a notebook). A UserError comes out as itself."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        _run(work)
        return
    raised: list[BaseException] = []

    def inside() -> None:
        try:
            _run(work)
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=inside)
    thread.start()
    thread.join()
    if raised:
        raise raised[0]


def _run(work: Awaitable[None]) -> None:
    async def main() -> None:
        await work

    try:
        asyncio.run(main())
    except BaseExceptionGroup as group:
        first = group
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        raise first from None


@dataclass
class _Gate:
    """When an endpoint asks for patience, everyone waits."""

    open_at: float = 0.0  # monotonic seconds

    async def passed(self) -> None:
        while (wait := self.open_at - time.monotonic()) > 0:
            await asyncio.sleep(wait)


async def _ask(
    session: aiohttp.ClientSession,
    endpoint: Endpoint,
    body: dict[str, Any],
    read: Read[T],
    policy: Policy,
    usage: Usage,
    gate: _Gate,
    jitter: np.ndarray,
) -> T | Failure:
    data = json_text(body).encode()
    failure = Failure("none", "")
    for attempt in range(policy.retries + 1):
        await gate.passed()
        if policy.max_requests is not None and usage.requests >= policy.max_requests:
            usage.errors += 1
            usage.by_kind["budget_spent"] += 1
            after = f"; before that: {failure.what}" if failure.what else ""
            return Failure("budget_spent", f"the budget of {policy.max_requests} requests is spent{after}")
        usage.requests += 1
        usage.retries += attempt > 0
        outcome = await _post(session, endpoint, data, read, usage)
        if not isinstance(outcome, _Fault):
            usage.answered += 1
            return outcome
        failure = Failure(outcome.kind, endpoint.redact(outcome.what))
        usage.by_kind[outcome.kind] += 1
        if not usage.answered:
            _refuse_if_hopeless(endpoint, outcome, failure, attempt)
        too_long = outcome.wait_s is not None and outcome.wait_s > policy.retry_after_max_s
        if not outcome.again or too_long or attempt == policy.retries:
            break
        pause = min(policy.backoff_max_s, policy.backoff_s * 2**attempt)
        pause *= 0.5 + 0.5 * float(uniform(jitter, attempt)[0])
        if outcome.wait_s is not None:
            gate.open_at = max(gate.open_at, time.monotonic() + outcome.wait_s)
            pause = min(pause, policy.backoff_s)
        await asyncio.sleep(pause)
    usage.errors += 1
    return failure


class _Fault(NamedTuple):
    kind: str
    what: str
    again: bool  # worth another attempt?
    status: int = 0
    wait_s: float | None = None  # what the endpoint asked for


async def _post(
    session: aiohttp.ClientSession, endpoint: Endpoint, data: bytes, read: Read[T], usage: Usage
) -> T | _Fault:
    """One attempt."""
    try:
        # No redirects: the key goes to the host that was named and nowhere else.
        async with session.post(endpoint.url, data=data, allow_redirects=False) as response:
            status, said = response.status, await response.read()
            wait = response.headers.get("Retry-After")
    except TimeoutError:
        return _Fault("timeout", "no answer in time", again=True)
    except aiohttp.ClientConnectorError as error:
        return _Fault("unreachable", str(error), again=True)
    except (aiohttp.ClientError, OSError) as error:
        return _Fault("connection", f"{type(error).__name__}: {error}", again=True)
    if status == 200:
        try:
            reply = read_reply(said)
            result = read(reply)
        except Unreadable as error:
            return _Fault(error.kind, str(error), again=True)
        usage.tokens_in += reply.tokens_in
        usage.tokens_out += reply.tokens_out
        return result
    what = f"HTTP {status}: {said[:300].decode(errors='replace')}"
    kind = RETRIED.get(status) or ("server_error" if status >= 500 else "rejected")
    again = kind != "rejected"
    return _Fault(kind, what, again, status, _seconds(wait) if again else None)


def _refuse_if_hopeless(endpoint: Endpoint, fault: _Fault, failure: Failure, attempt: int) -> None:
    """Before anything was answered: an endpoint that is not there or does not let us in ends the job."""
    if fault.kind == "unreachable" and attempt >= 2:
        raise UserError(f"the endpoint cannot be reached ({failure.what})", where=endpoint.url)
    if fault.status in (401, 403, 404):
        fix = {401: "check the key", 403: "check the key's rights"}.get(
            fault.status, "check address and model"
        )
        raise UserError(f"the endpoint refuses ({failure.what})", where=endpoint.url, fix=fix)


def _seconds(value: str | None) -> float | None:
    """A Retry-After header, in seconds from now: a number or a date."""
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None
