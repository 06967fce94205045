"""One constraint on length, words, format or language that code can check, or one of IFEval's instructions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from truenorth.judges._constraints import keeps
from truenorth.judges.checks._text import Patterns, applies


def constraint(
    prompt: str,
    text: str,
    /,
    *,
    kind: str,
    settings: Mapping[str, Any] | None = None,
    when_prompt: Patterns = (),
) -> float | None:
    """1 if the answer keeps the constraint, else 0; None where it cannot be told. An empty answer keeps none.

    Args:
        kind: its id, such as `numerical:words`; docs/judges.md lists them.
        settings: such as `{least: 50, most: 60}`, both included.

    >>> constraint("", "我爱苹果", kind="numerical:words", settings={"most": 4})
    1.0
    """
    if not applies(when_prompt, prompt):
        return None
    kept = keeps(kind, text, settings or {})
    return None if kept is None else float(kept)
