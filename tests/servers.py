"""A real HTTP server on loopback that speaks the OpenAI API and misbehaves on a seeded schedule.

`serving(...)` runs it in a thread of this process; `python tests/servers.py --delay-ms 20` runs it alone and
prints its address. The answer to a prompt is its own words in capitals, so lost or swapped answers show.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

FAULTS = ("429", "429_plain", "500", "slow", "cut", "malformed", "no_choices", "empty", "not_object")


@dataclass
class Behaviour:
    """How the server behaves.

    Args:
        fault_rate: share of requests that meet a fault from `faults`.
        refusal_rate: share of prompts (by their words) that are refused, every time they are asked.
        delay_s: of a good answer. slow_s: of a "slow" one.
        retry_after: of a "429", in seconds, as text.
        fatal_status: every request is answered with this status.
        logprobs: does it serve them?
        says: what it answers to a prompt (by default the prompt's own words in capitals).
    """

    seed: int = 0
    fault_rate: float = 0.0
    faults: tuple[str, ...] = FAULTS
    refusal_rate: float = 0.0
    delay_s: float = 0.0
    slow_s: float = 5.0
    retry_after: str = "0.05"
    fatal_status: int = 0
    logprobs: bool = True
    key: str | None = None
    counts: Counter[str] = field(default_factory=Counter)  # what was done
    bodies: list[dict[str, Any]] = field(default_factory=list)  # what was asked, where `keep` is set
    keep: bool = False
    says: Callable[[str], str] = str.upper


def answer_of(text: str) -> str:
    """What this server answers to a prompt, where its behaviour says nothing else."""
    return text.upper()


def is_refused(text: str, rate: float) -> bool:
    """Does this server refuse the prompt? Depends on its words only."""
    return random.Random(f"refuse {text}").random() < rate


def application(behaviour: Behaviour) -> web.Application:
    """The server."""
    chance = random.Random(behaviour.seed)

    async def handle(request: web.Request) -> web.StreamResponse:
        body = await request.json()
        behaviour.counts["requests"] += 1
        if behaviour.keep:
            behaviour.bodies.append(body)
        if behaviour.key and request.headers.get("Authorization") != f"Bearer {behaviour.key}":
            return web.json_response({"error": f"bad key {request.headers.get('Authorization')}"}, status=401)
        if behaviour.fatal_status:
            return web.json_response({"error": "no"}, status=behaviour.fatal_status)
        if chance.random() < behaviour.fault_rate:
            fault = chance.choice(behaviour.faults)
            behaviour.counts[fault] += 1
            spoilt = await _fault(request, fault, behaviour)
            if spoilt is not None:
                return spoilt
        if behaviour.delay_s:
            await asyncio.sleep(behaviour.delay_s)
        behaviour.counts["answered"] += 1
        return web.Response(
            body=json.dumps(_reply(body, behaviour)).encode(), content_type="application/json"
        )

    app = web.Application()
    for path in ("/v1/chat/completions", "/v1/completions"):
        app.router.add_post(path, handle)
    return app


async def _fault(request: web.Request, fault: str, behaviour: Behaviour) -> web.StreamResponse | None:
    if fault == "429":
        headers = {"Retry-After": behaviour.retry_after}
        return web.json_response({"error": "slow down"}, status=429, headers=headers)
    if fault == "429_plain":
        return web.json_response({"error": "slow down"}, status=429)
    if fault == "500":
        return web.Response(text="oops", status=500)
    if fault == "slow":
        await asyncio.sleep(behaviour.slow_s)
        return None
    if fault == "cut":
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b'{"choices": [')
        assert request.transport is not None
        request.transport.abort()
        return response
    said = {"malformed": '{"choices": [{"mess', "no_choices": '{"choices": []}', "not_object": "[1, 2]"}
    if fault == "empty":
        said["empty"] = '{"choices": [{"message": {"content": ""}, "finish_reason": "stop"}]}'
    return web.Response(text=said[fault], content_type="application/json")


def _reply(body: dict[str, Any], behaviour: Behaviour) -> dict[str, Any]:
    chat = "messages" in body
    text = body["messages"][-1]["content"] if chat else body["prompt"]
    said = behaviour.says(text)
    usage = {"prompt_tokens": len(text.split()), "completion_tokens": len(said.split())}
    if is_refused(text, behaviour.refusal_rate):
        behaviour.counts["refused"] += 1
        message = {"role": "assistant", "content": None, "refusal": "I will not."}
        return {"choices": [{"message": message, "finish_reason": "stop"}], "usage": usage}
    choice: dict[str, Any] = {"index": 0, "finish_reason": "stop"}
    choice |= {"message": {"role": "assistant", "content": said}} if chat else {"text": said}
    if behaviour.logprobs and body.get("logprobs"):
        choice["logprobs"] = _logprobs(body, text, chat)
    return {"choices": [choice], "usage": usage}


def _logprobs(body: dict[str, Any], text: str, chat: bool) -> dict[str, Any]:
    """Yes at -0.5, " Yes" at -2 and No at -1.5; an echoed word costs its length in nats."""
    top = {"Yes": -0.5, " Yes": -2.0, "No": -1.5, "Maybe": -4.0}
    if chat:
        listed = [{"token": token, "logprob": value} for token, value in top.items()]
        return {"content": [{"token": "Yes", "logprob": -0.5, "top_logprobs": listed}]}
    if not body.get("echo"):
        return {
            "tokens": ["Yes"],
            "token_logprobs": [-0.5],
            "top_logprobs": [top],
            "text_offset": [len(text)],
        }
    tokens = text.replace(" ", "\0 ").split("\0")
    offsets = [sum(map(len, tokens[:i])) for i in range(len(tokens))]
    costs = [None if i == 0 else -float(len(token.strip())) for i, token in enumerate(tokens)]
    return {"tokens": tokens, "token_logprobs": costs, "text_offset": offsets}


@contextmanager
def serving(behaviour: Behaviour) -> Iterator[str]:
    """The server on a free port of loopback, for as long as the block lasts. Yields its base URL."""
    started: list[Any] = []
    ready = threading.Event()

    def work() -> None:
        async def main() -> None:
            stop = asyncio.Event()
            runner = web.AppRunner(application(behaviour), access_log=None, shutdown_timeout=0.1)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            started.extend([runner.addresses[0][1], asyncio.get_running_loop(), stop])
            ready.set()
            await stop.wait()
            await runner.cleanup()

        asyncio.run(main())

    thread = threading.Thread(target=work)
    thread.start()
    ready.wait(30)
    port, loop, stop = started
    try:
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(30)


async def _alone(behaviour: Behaviour) -> None:
    runner = web.AppRunner(application(behaviour), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}/v1", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--delay-ms", type=float, default=20.0)
    parser.add_argument("--fault-rate", type=float, default=0.0)
    given = parser.parse_args()
    asyncio.run(_alone(Behaviour(delay_s=given.delay_ms / 1000, fault_rate=given.fault_rate)))
