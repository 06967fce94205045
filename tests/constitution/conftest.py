"""Constitutions on disk and from text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from truenorth.constitution import Constitution, load

FILES = Path(__file__).parent / "files"
Make = Callable[..., Constitution]


@pytest.fixture
def policy() -> Constitution:
    return load(FILES / "policy.yaml")


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """make("- id: a\n  statement: ...") -> the constitution with these principles, read from a file."""

    def write(principles: str, **settings) -> Constitution:
        path = tmp_path / "made.yaml"
        body = "\n".join("  " + line for line in principles.strip("\n").split("\n"))
        path.write_text(f"name: made\nversion: '1'\nprinciples:\n{body}\n")
        return load(path, **settings)

    return write
