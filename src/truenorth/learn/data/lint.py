"""What is wrong or odd with training data, found before any work: masks, ends, lengths, copies, biases, leaks.

Each check looks at one thing and gives findings with row numbers and a way out. Errors stop the work.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from truenorth.learn.data.finding import Finding, shown
from truenorth.learn.data.lint_rows import (
    broken_rows,
    plain_texts,
    prefixes,
    refused_rows,
    system_turns,
    whole_chats,
)
from truenorth.learn.data.lint_tokens import begins, cuts, ends, nothing_left
from truenorth.learn.data.lint_whole import copies, labels, length_bias, overlap, unused
from truenorth.learn.data.prepare import Prepared

Check = Callable[[Prepared], list[Finding]]

BOTH: tuple[Check, ...] = (broken_rows, refused_rows, prefixes, begins, ends, cuts, nothing_left, copies)
CHECKS: tuple[Check, ...] = (*BOTH, plain_texts, system_turns, length_bias, labels, whole_chats, unused)


def lint(train: Prepared, evaluation: Prepared | None = None) -> list[Finding]:
    """All findings, errors first."""
    found = [finding for check in CHECKS for finding in check(train)]
    if evaluation is not None:
        found += [f._replace(check=f"eval {f.check}") for check in BOTH for f in check(evaluation)]
        found += overlap(train, evaluation)
    order = ("error", "warning", "note")
    return sorted(found, key=lambda f: order.index(f.severity))


def refusal(found: Sequence[Finding]) -> str:
    """The errors in one line, or nothing."""
    bad = [f for f in found if f.severity == "error"]
    return "; ".join(f"{f.check}: {f.what}" + (f" (rows {shown(f.rows)})" if f.rows else "") for f in bad)
