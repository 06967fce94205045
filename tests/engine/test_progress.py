"""Progress: plain lines every few seconds, a bar on a terminal, silence when quiet."""

from __future__ import annotations

import io

import pytest

from truenorth.engine import duration, progress, rate
from truenorth.engine.secrets import redact, redact_argv


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def lines(total: int | None, *, seconds_a_tick: float, ticks: int, quiet: bool = False) -> list[str]:
    out, clock = io.StringIO(), Clock()
    with progress("sampling", total=total, quiet=quiet, stream=out, clock=clock) as bar:
        for _ in range(ticks):
            clock.now += seconds_a_tick
            bar.tick(10)
            bar.note("loss 0.5")
    return out.getvalue().splitlines()


def test_plain_lines_come_every_five_seconds_with_rate_and_time_left():
    # 10 a tick, a tick every 3 s: lines when 6, 12 and 18 s have gone; 20 done in 6 s leaves 40 for 12 s.
    assert lines(60, seconds_a_tick=3, ticks=6) == [
        "sampling: 20 of 60, 3.3/s, 12 s left  (loss 0.5)",
        "sampling: 40 of 60, 3.3/s, 6.0 s left  (loss 0.5)",
        "sampling: 60 of 60, 3.3/s, 0.0 s left  (loss 0.5)",
        "sampling: 60 in 18 s, 3.3/s  (loss 0.5)",
    ]


def test_quick_work_is_one_line():
    assert lines(20, seconds_a_tick=0.1, ticks=2) == ["sampling: 20 in 0.2 s, 100/s  (loss 0.5)"]


def test_without_a_total_there_is_no_time_left():
    assert lines(None, seconds_a_tick=6, ticks=1)[0] == "sampling: 10, 1.7/s"


def test_quiet_is_silent_and_no_work_is_no_error():
    assert lines(20, seconds_a_tick=9, ticks=2, quiet=True) == []
    assert lines(0, seconds_a_tick=0, ticks=0) == ["sampling: 0 in 0.0 s"]


def test_a_terminal_gets_a_bar():
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    out = Terminal()
    with progress("sampling", total=4, stream=out) as bar:
        bar.tick(4)
        bar.note("loss 0.5")
    assert "sampling" in out.getvalue()
    assert "4 of 4" in out.getvalue()
    assert "loss 0.5" in out.getvalue()


@pytest.mark.parametrize(
    ("seconds", "text"), [(3.21, "3.2 s"), (59.6, "1 min 0 s"), (75, "1 min 15 s"), (7260, "2 h 1 min")]
)
def test_durations_read_well(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(("per_s", "text"), [(1234.5, "1,234/s"), (2.5, "2.5/s"), (0.25, "15/min")])
def test_rates_read_well(per_s, text):
    assert rate(per_s) == text


def test_secrets_are_hidden_and_settings_that_only_sound_like_them_are_not():
    config = {
        "api_key": "x",
        "max_tokens": 64,
        "token": "",
        "headers": {"Authorization": "y"},
        "batch_tokens": 1,
    }
    assert redact(config) == {
        "api_key": "[hidden]",
        "max_tokens": 64,
        "token": "",
        "headers": {"Authorization": "[hidden]"},
        "batch_tokens": 1,
    }
    assert redact(["Bearer abc", "use sk-abcdefgh1234 now"]) == ["[hidden]", "use [hidden] now"]
    assert redact_argv(["--key=a", "--key", "b", "--monkey", "c", "--base-url", "http://u:p@h/v1"]) == [
        *("--key=[hidden]", "--key", "[hidden]", "--monkey", "c"),
        *("--base-url", "http://[hidden]@h/v1"),
    ]
