"""A real headless Chromium, driven through its DevTools protocol: keys pressed, page read, requests counted."""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import aiohttp

NAMES = ("chromium", "chromium-browser", "google-chrome")
SWITCHES = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-extensions", "--disable-sync",
    "--mute-audio", "--remote-debugging-port=0", "--window-size=1200,900",
)  # fmt: skip
CODES = {"Enter": 13, "Escape": 27, "Backspace": 8, "ArrowLeft": 37, "ArrowRight": 39, "Tab": 9}


def find_chromium() -> str | None:
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Browser:
    """One browser; `open` starts a page with a profile of its own (no cookies, no storage of another)."""

    def __init__(self, program: str, profile: Path):
        self._program, self._profile = program, profile
        self._loop = asyncio.new_event_loop()
        self._numbers = iter(range(1, 10**9))
        self.requests: list[str] = []
        self.complaints: list[str] = []

    def __enter__(self) -> Browser:
        switches = [*SWITCHES, f"--user-data-dir={self._profile}", "about:blank"]
        self._process = subprocess.Popen(
            [self._program, *switches], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        written = self._profile / "DevToolsActivePort"
        self.until(
            lambda: written.exists() and written.read_text().count("\n") >= 1, "the browser to start", 60
        )
        port, path = written.read_text().split("\n")[:2]
        self._run(self._connect(f"ws://127.0.0.1:{port}{path}"))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._run(self._socket.close())
        self._run(self._client.close())
        self._process.terminate()
        self._process.wait(20)
        self._loop.close()

    def open(self, address: str) -> None:
        """A fresh page at the address; requests and complaints are counted from here."""
        self.requests, self.complaints = [], []
        context = self._call("Target.createBrowserContext", session=None)["browserContextId"]
        made = {"url": "about:blank", "browserContextId": context}
        target = self._call("Target.createTarget", session=None, **made)["targetId"]
        attached = self._call("Target.attachToTarget", session=None, targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self._call(f"{domain}.enable")
        self.goto(address)

    def goto(self, address: str) -> None:
        self._call("Page.navigate", url=address)
        self.until(lambda: self.ask("document.readyState") == "complete", "the page to load")

    def ask(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page."""
        found = self._call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def text(self, selector: str) -> str:
        """What a person can read there; nothing of what is hidden."""
        return self.ask(
            f"(e => e?.checkVisibility() ? e.innerText : '')(document.querySelector({json.dumps(selector)}))"
        )

    def press(self, *keys: str) -> None:
        """Press keys as a person does: "a", "Enter", "Control+Enter"."""
        for key in keys:
            *held, last = key.split("+") if len(key) > 1 else [key]
            what: dict[str, Any] = {"key": last, "modifiers": 2 if "Control" in held else 0}
            what["windowsVirtualKeyCode"] = CODES.get(last, ord(last[0].upper()))
            if len(last) == 1:
                what["text"] = last
            elif last == "Enter":
                what["text"] = "\r"
            self._call("Input.dispatchKeyEvent", type="keyDown", **what)
            self._call(
                "Input.dispatchKeyEvent", type="keyUp", **{k: v for k, v in what.items() if k != "text"}
            )

    def write(self, text: str) -> None:
        self._call("Input.insertText", text=text)

    def picture(self, path: Path) -> Path:
        path.write_bytes(base64.b64decode(self._call("Page.captureScreenshot")["data"]))
        return path

    def size(self, width: int, height: int) -> None:
        how = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._call("Emulation.setDeviceMetricsOverride", **how)

    def until(self, holds: Callable[[], Any], what: str, seconds: float = 20) -> None:
        """Wait for something, a moment at a time."""
        end = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < end, f"waited {seconds} s for {what}"
            time.sleep(0.02)

    def _run(self, work: Any) -> Any:
        return self._loop.run_until_complete(work)

    async def _connect(self, address: str) -> None:
        self._client = aiohttp.ClientSession()
        self._socket = await self._client.ws_connect(address, max_msg_size=2**26)

    def _call(self, method: str, *, session: str | None = "", **params: Any) -> dict[str, Any]:
        number = next(self._numbers)
        message: dict[str, Any] = {"id": number, "method": method, "params": params}
        if session is not None:
            message["sessionId"] = self._session
        return self._run(asyncio.wait_for(self._exchange(number, message), 30))

    async def _exchange(self, number: int, message: dict[str, Any]) -> dict[str, Any]:
        await self._socket.send_json(message)
        while True:
            reply = json.loads((await self._socket.receive()).data)
            if reply.get("id") == number:
                assert "error" not in reply, (message, reply["error"])
                return reply["result"]
            self._note(reply.get("method", ""), reply.get("params", {}))

    def _note(self, method: str, about: dict[str, Any]) -> None:
        if method == "Network.requestWillBeSent":
            self.requests.append(about["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(str(about["exceptionDetails"]))
        elif method == "Log.entryAdded" and about["entry"]["level"] == "error":
            self.complaints.append(about["entry"]["text"])
