"""Patience with an endpoint on a clock of our own: how long it waits, when it gives up, and what it counts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from email.utils import formatdate
from typing import Any

import numpy as np
import pytest

from truenorth.base import UserError
from truenorth.models import transport
from truenorth.models.transport import Endpoint, Failure, Policy, Usage, _Fault, _Gate, _seconds

BUSY = _Fault("server_error", "HTTP 500: busy", again=True, status=500)
PATIENT = Policy(retries=5, backoff_s=1.0, backoff_max_s=4.0, retry_after_max_s=120.0)


class Clock:
    """Seconds that pass only while somebody sleeps."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch):
        self.now, self.pauses = 100.0, []
        monkeypatch.setattr(transport.time, "monotonic", lambda: self.now)
        monkeypatch.setattr(transport.asyncio, "sleep", self.sleep)

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def ask(
    monkeypatch: pytest.MonkeyPatch,
    outcomes: Sequence[Any],
    policy: Policy = PATIENT,
    *,
    usage: Usage | None = None,
    gate: _Gate | None = None,
    seed: int = 0,
) -> Any:
    """One request to an endpoint that answers like this, attempt by attempt."""
    coming = iter(outcomes)

    async def post(*_: Any) -> Any:
        return next(coming)

    monkeypatch.setattr(transport, "_post", post)
    read: Any = None
    session: Any = None
    usage = Usage() if usage is None else usage
    gate = _Gate() if gate is None else gate
    jitter = np.array([seed], dtype=np.uint64)
    where = Endpoint("http://x/v1", "sk-1")
    found = asyncio.run(transport._ask(session, where, {}, read, policy, usage, gate, jitter))
    assert next(coming, None) is None, "an attempt fewer than there should be"
    return found


def test_pauses_double_up_to_the_longest_with_a_jitter_of_at_most_a_half(monkeypatch, clock):
    usage = Usage()
    found = ask(monkeypatch, [BUSY] * 6, usage=usage)
    assert found == Failure("server_error", "HTTP 500: busy")
    longest = [1, 2, 4, 4, 4]  # no pause after the last attempt
    assert len(clock.pauses) == 5
    assert all(top / 2 <= pause <= top for pause, top in zip(clock.pauses, longest))
    assert len({pause / top for pause, top in zip(clock.pauses, longest)}) == 5
    assert (usage.requests, usage.retries, usage.answered, usage.errors) == (6, 5, 0, 1)
    assert usage.by_kind == {"server_error": 6}
    first, clock.pauses = clock.pauses, []
    ask(monkeypatch, [BUSY] * 6, seed=1)
    assert clock.pauses != first  # requests do not come back all at once


def test_an_answer_ends_the_asking_and_is_counted_once(monkeypatch, clock):
    usage = Usage()
    assert ask(monkeypatch, [BUSY, BUSY, "yes"], usage=usage) == "yes"
    assert (usage.requests, usage.retries, usage.answered, usage.errors) == (3, 2, 1, 0)


def test_when_an_endpoint_asks_for_patience_everyone_waits(monkeypatch, clock):
    gate = _Gate()
    wait = BUSY._replace(wait_s=30.0)
    assert ask(monkeypatch, [wait, "yes"], gate=gate) == "yes"
    assert clock.now == pytest.approx(130.0)  # its own pause is part of the wait
    later = _Gate(open_at=150.0)
    assert ask(monkeypatch, ["yes"], gate=later) == "yes"
    assert clock.now == pytest.approx(150.0)
    assert gate.open_at == pytest.approx(130.0)


def test_a_short_wait_does_not_open_a_gate_that_is_closed_for_longer(monkeypatch, clock):
    gate = _Gate()

    told = iter([BUSY._replace(wait_s=30.0), "yes"])

    async def post(*_: Any) -> Any:
        gate.open_at = 400.0  # another request was told so meanwhile
        return next(told)

    monkeypatch.setattr(transport, "_post", post)
    nothing: Any = None
    asked = transport._ask(
        nothing,
        Endpoint("http://x/v1", None),
        {},
        nothing,
        PATIENT,
        Usage(),
        gate,
        np.array([0], dtype=np.uint64),
    )
    assert asyncio.run(asked) == "yes"
    assert clock.now == pytest.approx(400.0)


@pytest.mark.parametrize(("wait_s", "attempts"), [(120.0, 2), (121.0, 1)])
def test_an_endpoint_that_asks_for_too_long_has_given_up(monkeypatch, clock, wait_s, attempts):
    usage = Usage()
    coming = [BUSY._replace(wait_s=wait_s), "yes"][:attempts]
    found = ask(monkeypatch, coming, usage=usage)
    assert (found == "yes") == (attempts == 2)
    assert (usage.requests, usage.errors) == (attempts, 2 - attempts)


def test_a_budget_ends_in_the_middle_of_a_request_and_says_what_was_before(monkeypatch, clock):
    usage = Usage(requests=8)
    policy = Policy(retries=5, backoff_s=1.0, max_requests=10)
    found = ask(monkeypatch, [BUSY, BUSY], policy, usage=usage)
    assert found == Failure("budget_spent", "the budget of 10 requests is spent; before that: HTTP 500: busy")
    assert (usage.requests, usage.retries, usage.errors) == (10, 1, 1)
    assert usage.by_kind == {"server_error": 2, "budget_spent": 1}


def test_an_endpoint_that_is_gone_ends_the_job_only_before_it_answered_anything(monkeypatch, clock):
    gone = _Fault("unreachable", "no route", again=True)
    with pytest.raises(UserError, match="cannot be reached"):
        ask(monkeypatch, [gone] * 3)
    assert ask(monkeypatch, [gone] * 6, usage=Usage(answered=1)) == Failure("unreachable", "no route")
    assert ask(monkeypatch, [gone, gone, "yes"]) == "yes"
    barred = _Fault("rejected", "HTTP 401: sk-1?", again=False, status=401)
    with pytest.raises(UserError, match=r"refuses \(HTTP 401: \*\*\*\?\)"):
        ask(monkeypatch, [barred])
    assert ask(monkeypatch, [barred], usage=Usage(answered=1)).what == "HTTP 401: ***?"


def test_retry_after_is_seconds_or_a_date():
    assert [_seconds(text) for text in ("5", "0.5", "-3", "", None, "soon")] == [
        5.0,
        0.5,
        0.0,
        None,
        None,
        None,
    ]
    assert _seconds(formatdate(time.time() + 60, usegmt=True)) == pytest.approx(60, abs=2)
    assert _seconds(formatdate(time.time() - 60, usegmt=True)) == 0.0
