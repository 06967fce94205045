"""SafePatching: a patch for safety and one against over-refusal, each where the other has no claim."""

from __future__ import annotations

from collections.abc import Sequence

from truenorth.edit.arrays import Array
from truenorth.edit.method import reads
from truenorth.edit.safety._dare import dropped
from truenorth.edit.safety._edit import edits
from truenorth.edit.safety._top import like, only_in


@edits("model", "enhanced", "relaxed")
@reads("tensor", inputs=3)
def safe_patching(
    tensors: Sequence[Array],
    noise: Sequence[Array],
    safety: Sequence[Array],
    over_safety: Sequence[Array],
    *,
    weight: float = 1.0,
    over_weight: float = 0.2,
    density: float = 0.3,
    top: float = 0.03,
    over_top: float = 0.03,
    within: str = "tensor",
) -> Array:
    """model + weight * A DARE(enhanced - model) + over_weight * B DARE(relaxed - model).

    A is where the safety score is among the top and the other is not; B the converse.

    Args:
        safety, over_safety: scores in the tensor's shape (SNIP: |w dL/dw| on answers that refuse harm, and on
            answers to harmless look-alikes).
        density: the chance of a patch's entry to stay, made up for by division.
        top, over_top: shares of a tensor.

    Source: Zhao et al. 2024 (arXiv:2405.13820), sections 3.2-3.3; its text gives the steps, and the constants
    here are not confirmed by a release: tune them.
    """
    model, enhanced, relaxed = tensors
    for_safety, for_help = (scores[0].reshape(model.shape) for scores in (safety, over_safety))
    one = only_in(for_safety, for_help, first_share=top, second_share=over_top, within=within)
    two = only_in(for_help, for_safety, first_share=over_top, second_share=top, within=within)
    made = model
    for patch, where, bits, size in (
        (enhanced, one, noise[1], weight),
        (relaxed, two, noise[2], over_weight),
    ):
        if size and where.any():
            made = made + dropped(patch - model, bits, density) * like(where, model) * size
    return made
