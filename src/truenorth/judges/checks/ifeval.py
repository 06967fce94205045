"""One of IFEval's 25 verifiable instructions: length, format, keywords, language, case, and so on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from truenorth.judges._ifeval import follows
from truenorth.judges.checks._text import Patterns, applies


def ifeval(
    prompt: str,
    text: str,
    /,
    *,
    instruction: str,
    settings: Mapping[str, Any] | None = None,
    loose: bool = False,
    when_prompt: Patterns = (),
) -> float | None:
    """1 if the answer follows the instruction, else 0; an empty answer follows none.

    Args:
        instruction: its id, such as `punctuation:no_comma`.
        settings: its settings under IFEval's names, such as `{num_words: 100, relation: at least}`.
        loose: forgive asterisks, a first line and a last line, as IFEval's loose score does.

    >>> ifeval("", "One, two.", instruction="punctuation:no_comma")
    0.0
    """
    if not applies(when_prompt, prompt):
        return None
    return float(follows(instruction, text, settings or {}, loose=loose))
