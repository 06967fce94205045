"""Safe LoRA: an update's drift out of the alignment subspace is projected away, without data."""

from __future__ import annotations

from collections.abc import Sequence

from truenorth.base import UserError
from truenorth.edit.arrays import Array, library
from truenorth.edit.method import reads
from truenorth.edit.plan import Step
from truenorth.edit.safety._alignment import cosine, projector
from truenorth.edit.safety._edit import Chosen, edits, matrices, whole


def farthest(
    steps: Sequence[Step],
    *,
    threshold: float = 0.5,
    layers: int = 0,
    projector: str = "exact",
    energy: float = 0.99,
    transposed: bool = False,
) -> Chosen:
    """The matrices whose update leaves the subspace most; one that was not updated is never chosen.

    Args:
        threshold: those with a cosine between update and projected update of at most this.
        layers: instead, so many with the lowest cosine.
    """
    found = {}
    for step in steps:
        three = (whole(step, i) for i in range(3))
        three = (tensor.T for tensor in three) if transposed else three
        update, cos = projected(*three, kind=projector, energy=energy)
        if update is not None:
            found[step.name] = cos
    return {name: {} for name in picked(found, threshold=threshold, layers=layers)}


def picked(cosines: dict[str, float], *, threshold: float, layers: int) -> list[str]:
    """Names by threshold or, with `layers`, the lowest of them.

    Raises:
        UserError: a number of layers below 0.
    """
    if layers < 0 or layers != int(layers):
        raise UserError(f"layers {layers}", where="--set", expected="0 (use the threshold) or a whole number")
    if layers:
        return sorted(cosines, key=lambda name: cosines[name])[: int(layers)]
    return [name for name, cos in cosines.items() if cos <= threshold]


def projected(
    model: Array, aligned: Array, base: Array, *, kind: str, energy: float
) -> tuple[Array | None, float]:
    """The projected update and its cosine with the update; (None, 1) where there is nothing to project."""
    update = model - aligned
    onto = projector(aligned, base, kind=kind, energy=energy)
    if onto is None or not abs(update).max() > 0:
        return None, 1.0
    made = library(update).asarray(onto.astype("float32"))
    inside = made @ update
    return inside, cosine(update, inside)


@edits("model", "aligned", "base", reach=matrices, select=farthest)
@reads("tensor", inputs=3)
def safe_lora(
    tensors: Sequence[Array], *, projector: str = "exact", energy: float = 0.99, transposed: bool = False
) -> Array:
    """aligned + P (model - aligned), with P the projection onto the span of aligned - base.

    Args:
        projector, energy: how P is made; see `_alignment.projector`.
        transposed: matrices are (in, out), as GPT-2 keeps them.

    Source: Hsu et al. 2024 (arXiv:2405.16833), eq. 1-4. The release matches layers by their order; here by name.
    """
    if transposed:
        return safe_lora([tensor.T for tensor in tensors], projector=projector, energy=energy).T
    model, aligned, base = tensors
    inside, _ = projected(model, aligned, base, kind=projector, energy=energy)
    return model if inside is None else aligned + inside
