"""What a training says of itself: its model card, and before and after for the console and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from truenorth.recipes.train_adapters import weights_told
from truenorth.recipes.train_evaluate import Change
from truenorth.recipes.train_inputs import Ready


def plain(change: Change) -> dict[str, Any]:
    """A change as JSON."""
    return {
        "name": change.name,
        "before": change.before.to_dict(),
        "after": change.after.to_dict(),
        "difference": change.difference.to_dict(),
    }


def card(made: Ready) -> str:
    """The model card: from what it was made, and how."""
    s = made.settings
    chosen = {**made.needs.settings, **s.objective_settings}
    lines = [
        "---",
        f"base_model: {made.look.name}",
        "tags: [truenorth, " + s.objective.rpartition(":")[2] + "]",
        "---",
        "",
        f"# {made.look.name}, trained with {s.objective}",
        "",
        f"{made.steps:,} steps of {s.batch} of {len(made.train.encoded):,} rows ({made.train.kind}), "
        f"learning rate {made.rate:.2g}, seed {s.seed}"
        + (f", {weights_told(s)}" if s.use_peft else "")
        + ".",
        "",
        *(f"- {name}: {value}" for name, value in chosen.items()),
    ]
    return "\n".join(lines) + "\n"


def table(found: Sequence[Change]) -> Any:
    """Before and after, for the console."""
    from rich.table import Table

    made = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
    for title in ("evaluation", "before", "after", "change", "95% interval", "p"):
        made.add_column(title, no_wrap=True)
    for c in found:
        d = c.difference
        made.add_row(
            c.name,
            f"{c.before.mean:.3f}",
            f"{c.after.mean:.3f}",
            f"{d.difference:+.3f}",
            f"{d.low:+.3f} to {d.high:+.3f}",
            f"{d.p:.2g}",
        )
    return made
