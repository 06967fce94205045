"""RESTA: add back the safety vector that fine-tuning took away."""

from __future__ import annotations

from collections.abc import Sequence

from truenorth.edit.arrays import Array
from truenorth.edit.method import reads
from truenorth.edit.safety._edit import edits


@edits("model", "aligned", "unaligned")
@reads("elements", inputs=3)
def resta(tensors: Sequence[Array], *, gamma: float = 1.0) -> Array:
    """model + gamma * (aligned - unaligned).

    Args:
        gamma: 0.5 to 1; the authors' release uses 1. Choose it on safety and on the task at once. 0 is the model.

    Source: Bhardwaj et al. 2024 (arXiv:2402.11746), eq. 3; `unaligned` is the aligned model trained on a few
    harmful answers.
    """
    model, aligned, unaligned = tensors
    return model if gamma == 0 else model + (aligned - unaligned) * gamma
