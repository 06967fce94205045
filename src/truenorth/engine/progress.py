"""Progress with rate and time left: a bar on a terminal, plain lines elsewhere, nothing when quiet."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, TextIO


class Bar(Protocol):
    """What long work ticks."""

    def tick(self, k: int = 1) -> None:
        """`k` more are done."""
        ...

    def note(self, text: str) -> None:
        """A few words beside the numbers, such as the current loss."""
        ...


@contextmanager
def progress(
    label: str,
    *,
    total: int | None = None,
    quiet: bool = False,
    every_s: float = 5.0,
    stream: TextIO | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Bar]:
    """Show how far some work is.

    Args:
        label: what is being done: "sampling".
        total: how many ticks there will be, where known; without it there is no time left.
        quiet: show nothing.
        every_s: seconds between plain lines.
        stream: where to (default: standard error).
        clock: seconds, for tests.
    """
    out = stream or sys.stderr
    if quiet:
        yield _Silent()
    elif out.isatty():
        with _terminal(label, total, out) as bar:
            yield bar
    else:
        lines = _Lines(label, total, every_s, out, clock)
        yield lines
        lines.finish()


class _Silent:
    def tick(self, k: int = 1) -> None: ...

    def note(self, text: str) -> None: ...


class _Lines:
    """One line every few seconds, and one at the end."""

    def __init__(
        self, label: str, total: int | None, every_s: float, out: TextIO, clock: Callable[[], float]
    ):
        self._label, self._total, self._every_s, self._out, self._clock = label, total, every_s, out, clock
        self._start = self._last = clock()
        self._done, self._note = 0, ""

    def tick(self, k: int = 1) -> None:
        self._done += k
        if self._clock() - self._last >= self._every_s:
            self._last = self._clock()
            self._print(self._state())

    def note(self, text: str) -> None:
        self._note = text

    def finish(self) -> None:
        seconds = self._clock() - self._start
        self._print(f"{self._done:,} in {duration(seconds)}{self._rate(seconds)}")

    def _state(self) -> str:
        seconds = self._clock() - self._start
        if self._total is None:
            return f"{self._done:,}{self._rate(seconds)}"
        left = seconds / self._done * (self._total - self._done) if self._done else None
        ending = f", {duration(left)} left" if left is not None else ""
        return f"{self._done:,} of {self._total:,}{self._rate(seconds)}{ending}"

    def _rate(self, seconds: float) -> str:
        return f", {rate(self._done / seconds)}" if seconds > 0 and self._done else ""

    def _print(self, text: str) -> None:
        note = f"  ({self._note})" if self._note else ""
        print(f"{self._label}: {text}{note}", file=self._out, flush=True)


@contextmanager
def _terminal(label: str, total: int | None, out: TextIO) -> Iterator[Bar]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(rate(task.finished_speed or task.speed or 0.0), style="dim")

    class Left(ProgressColumn):
        def render(self, task: Task) -> Text:
            if task.finished or task.time_remaining is None:
                return Text(f"in {duration(task.elapsed or 0.0)}", style="dim")
            return Text(f"{duration(task.time_remaining)} left", style="cyan")

    columns = (
        TextColumn("{task.description:<22}"),
        BarColumn(bar_width=28),
        TextColumn("{task.completed:>6,.0f}" + (f" of {total:,}" if total else "")),
        Rate(),
        Left(),
        TextColumn("[dim]{task.fields[note]}"),
    )
    with Progress(*columns, console=Console(file=out), refresh_per_second=4) as bars:
        task = bars.add_task(label, total=total, note="")

        class Ticker:
            def tick(self, k: int = 1) -> None:
                bars.advance(task, k)

            def note(self, text: str) -> None:
                bars.update(task, note=text)

        yield Ticker()


def rate(per_s: float) -> str:
    """1234.5 -> "1,234/s"; 0.25 -> "15/min"."""
    if per_s >= 10:
        return f"{per_s:,.0f}/s"
    return f"{per_s:.1f}/s" if per_s >= 1 else f"{per_s * 60:.0f}/min"


def duration(seconds: float) -> str:
    """3.21 -> "3.2 s"; 75 -> "1 min 15 s"; 7260 -> "2 h 1 min"."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
