"""Rows of TRL's dataset types to the token ids that objectives learn from, and a lint of them before any work."""

from truenorth.learn.data.encode import Encoded, Shape, encode, examples
from truenorth.learn.data.lint import Finding, lint
from truenorth.learn.data.prepare import Prepared, prepare
from truenorth.learn.data.wanted import Wanted, wanted

__all__ = [
    "Encoded",
    "Finding",
    "Prepared",
    "Shape",
    "Wanted",
    "encode",
    "examples",
    "lint",
    "prepare",
    "wanted",
]
