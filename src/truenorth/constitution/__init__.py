"""Written principles that people read and code can check."""

from truenorth.constitution.diff import Change, diff
from truenorth.constitution.lint import Finding, lint
from truenorth.constitution.load import load, shipped
from truenorth.constitution.schema import AppliesWhen, Check, Constitution, Example, Principle, Scope
from truenorth.constitution.show import show, show_principle

__all__ = [
    "AppliesWhen",
    "Change",
    "Check",
    "Constitution",
    "Example",
    "Finding",
    "Principle",
    "Scope",
    "diff",
    "lint",
    "load",
    "shipped",
    "show",
    "show_principle",
]
