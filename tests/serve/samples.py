"""A small store of tasks that tests label: two prompts with three and two answers, by models that must not show."""

from __future__ import annotations

import asyncio
import http.client
import json
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from truenorth.records import Row, Source
from truenorth.records.label_store import LabelStore
from truenorth.records.labels import Task
from truenorth.serve.access import Access, access_for
from truenorth.serve.annotate import annotation_app
from truenorth.serve.gathering import Work
from truenorth.serve.labelling import Desk
from truenorth.serve.running import started

ASK, SUM = "Which boat does Lekin Bena sail?", "What is 2 + 3?"
MODELS = ("secret-small", "secret-big", "secret-odd")
EVIL = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"


def answers() -> dict[str, list[Row]]:
    """Prompt -> rows of its answers, in the order of MODELS."""
    said = {ASK: ["The Dunlin.", "A sloop, the Dunlin.", EVIL], SUM: ["5", "6"]}
    return {
        prompt: [
            Row({"prompt": prompt, "completion": text}, Source("sample", model=model))
            for text, model in zip(texts, MODELS)
        ]
        for prompt, texts in said.items()
    }


def work() -> Work:
    rows = answers()
    tasks = [Task.of(prompt, [row.id for row in members]) for prompt, members in rows.items()]
    by_id = {row.id: row for members in rows.values() for row in members}
    return Work(tasks, by_id, len(tasks), len(by_id))


def a_desk(path: Path, **settings: Any) -> Desk:
    return Desk(LabelStore(path), work(), **settings)


@contextmanager
def serving(desk: Desk, *, host: str = "127.0.0.1", access: Access | None = None) -> Iterator[int]:
    """The page of this desk on a free port, for as long as the block lasts. Yields the port."""
    ready: queue.Queue[Any] = queue.Queue()

    async def work() -> None:
        stop, allowed = asyncio.Event(), access or access_for(host)
        async with started(annotation_app(desk, allowed), allowed, 0) as address:
            ready.put((urlsplit(address).port, asyncio.get_running_loop(), stop))
            await stop.wait()

    thread = threading.Thread(target=lambda: asyncio.run(work()))
    thread.start()
    port, loop, stop = ready.get(timeout=30)
    try:
        yield port
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(30)


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


def request(port: int, path: str, body: Any = None, **headers: str) -> Reply:
    """GET, or POST of JSON where there is a body; header names with _ for -."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    if body is not None:
        sent.setdefault("Content-Type", "application/json")
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    connection.request("GET" if body is None else "POST", path, data, sent)
    reply = connection.getresponse()
    found = Reply(reply.status, dict(reply.getheaders()), reply.read().decode())
    connection.close()
    return found
