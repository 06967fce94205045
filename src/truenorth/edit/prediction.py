"""What a dry run tells of a plan."""

from __future__ import annotations

from collections.abc import Sequence

from truenorth.edit.plan import Plan, threads_here


def predicted(plan: Plan, threads: int | None = None) -> Sequence[tuple[str, str]]:
    """What a dry run tells: names and values."""
    threads = threads or threads_here()
    tensors = sum(1 for _ in plan.steps)
    lines = [
        ("method", plan.method.name),
        ("models", ", ".join(model.name for model in plan.models)),
        ("tensors", f"{tensors:,} of {sum(step.size for step in plan.steps):,} numbers"),
        ("to read", f"{megabytes(plan.bytes_read)} in {plan.passes} pass{'es' if plan.passes > 1 else ''}"),
        (
            "to write",
            f"{megabytes(plan.bytes_written)} in {len(plan.shards)} file{'s' if len(plan.shards) > 1 else ''}",
        ),
        ("memory", f"about {megabytes(plan.peak_bytes(threads))} with {threads} threads"),
    ]
    if plan.download:
        lines.append(("to download", megabytes(plan.download)))
    return [*lines, *(("note", note) for note in plan.notes)]


def megabytes(count: int) -> str:
    """Bytes as MB, or as GB where they are many."""
    return f"{count / 1e9:,.2f} GB" if count >= 1e9 else f"{count / 1e6:,.1f} MB"
