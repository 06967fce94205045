"""Lets the tests here import `browser`, and gives them a real Chromium, or a skip that says why not."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from browser import Browser, find_chromium


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    program = find_chromium()
    if program is None:
        pytest.skip("needs Chromium (chromium, chromium-browser or google-chrome on the path)")
    with Browser(program, tmp_path_factory.mktemp("profile")) as opened:
        yield opened
