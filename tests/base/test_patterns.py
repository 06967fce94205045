"""Patterns that could take for ever are told from those that only look like it, and the texts are real ones."""

from __future__ import annotations

import subprocess
import sys

import pytest

from truenorth.base.patterns import runaway, unusable

ENDLESS = [
    r"(a+)+$",
    r"(a*)*$",
    r"(?:a|a)+b|(.|a)*$",
    r"(a|aa)+$",
    r"(.*)*x",
    r"(\w+\s?)+$",
    r"(a|b*)*c",
    r"(?:a(?:b?|c?))*d",  # two ways to read nothing after an "a"
    r"(?:(?:a*)*b)*c",
    r"(?:\d{1,3},?)+$",
    r"^(([a-z])+.)+[A-Z]([a-z])+$",  # OWASP: "Regular expression denial of service"
    r"(?:a{5}|a{6})+$",  # thirty a's are six times five and five times six
    r"(?=(a+)+$)b",
    r"(?>(a+)+b)",
    r"((\w)\2?)+!",
    r"(\w+\s*){2,20}!",
    r"(?m)(?:^\w*$\n?|\w|\n)+!",
    r"(?:xy?|X)*!",  # patterns are read in any case
    r"(?:[^\W_]+(?:['’-][^\W_]+)*\W+){1,20}x",  # the apostrophe stands between words and within them
]
ENDING = [
    r"(\w+\s)+$",
    r"(?:\b\w+\b\s*)+$",  # each word ends where it ends
    r"\d{1,3}(?:,\d{3})*(?:\.\d+)?",
    r"(?:(?!END).)*END",
    r'"(?:[^"\\]|\\.)*"',
    r"(?:\w+(?=\s|$)\s*)+!",
    r"(?:\w+(?!\w)\s*)+!",
    r"(?:(?<!\w)\w+\s*)+!",
    r"(?>a+)+b",
    r"(?:a++)+b",
    r"(?:[A-Z][a-z]+ )+",
    r"(?:(?:^|\s)\w+)+!",
    r".*a.*b.*c",
    r"",
    r"(?:)*(?:|){20}(?:a|)x",
    r"(?:[0-9a-f]{32}\s?)+$",
    r"(?:\d{3},?)+$",
    r"(ab|cd|ce)*f",
    r"()(?:(?(1)a|b)c?)*x",
]
LONG = "import re, sys, time; t = time.process_time(); re.search(sys.argv[1], sys.argv[2], re.I)"


@pytest.mark.parametrize("pattern", ENDLESS)
def test_a_pattern_that_can_take_for_ever_is_found(pattern):
    assert runaway(pattern)


@pytest.mark.parametrize("pattern", ENDING)
def test_a_pattern_that_comes_to_an_end_is_left_alone(pattern):
    assert runaway(pattern) is None


def seconds(pattern: str, text: str) -> float:
    """What a search takes, in a process that can be ended."""
    code = f"{LONG}; print(time.process_time() - t)"
    try:
        ran = subprocess.run(
            [sys.executable, "-c", code, pattern, text], capture_output=True, timeout=1, check=True
        )
    except subprocess.TimeoutExpired:
        return 1.0
    return float(ran.stdout)


@pytest.mark.parametrize("pattern", [r"(?:a(?:b?|c?))*d", r"(?:\d{1,3},?)+$"])
def test_the_text_named_really_stops_the_clock(pattern):
    text = runaway(pattern)
    assert text
    assert seconds(pattern, text * 40 + "\a") == 1.0
    assert seconds(pattern, text * 5 + "\a") < 0.5


def test_the_reason_names_a_text_and_a_way_out():
    assert "as on 'aaaaaaaaaaaaa'" in (unusable("(a+)+$") or "")
    assert unusable("(") == "not a regular expression (missing ), unterminated subpattern at position 0)"
    assert "make several of it" in (unusable("(?:ab|" + "x" * 3000 + ")+") or "")
    assert unusable("a|b") is None
