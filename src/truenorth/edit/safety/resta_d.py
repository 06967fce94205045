"""RESTA with DARE: the task's change thinned at random first, then the safety vector added."""

from __future__ import annotations

from collections.abc import Sequence

from truenorth.edit.arrays import Array
from truenorth.edit.method import reads
from truenorth.edit.safety._dare import dropped
from truenorth.edit.safety._edit import edits
from truenorth.edit.safety.resta import resta


@edits("model", "aligned", "unaligned")
@reads("elements", inputs=3)
def resta_d(
    tensors: Sequence[Array], noise: Sequence[Array], *, gamma: float = 1.0, density: float = 0.7
) -> Array:
    """aligned + DARE(model - aligned) + gamma * (aligned - unaligned).

    Args:
        gamma: as in RESTA.
        density: in (0, 1], the chance of each entry of the task's change to stay (the paper drops 0.3 to 0.9); 1
            is RESTA.

    Source: Bhardwaj et al. 2024 (arXiv:2402.11746), section 3.2.
    """
    model, aligned, unaligned = tensors
    thin = model if density == 1 else aligned + dropped(model - aligned, noise[0], density)
    return resta([thin, aligned, unaligned], gamma=gamma)
