"""Executable checks: `checks/NAME.py` defines `NAME(prompt, text, /, **settings) -> float | None`.

A check returns a score in [0, 1], or None when it does not apply to that prompt. Settings are what a
constitution writes under the check's name. A check that has a `folder` setting is given the folder of the
constitution, so that files are found beside it.
"""

from truenorth.judges.checks._text import Check, Patterns

__all__ = ["Check", "Patterns"]
