"""Safe LoRA on an adapter that stays one: B becomes P B in the modules whose update leaves the subspace most."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from truenorth.base import UserError
from truenorth.edit import lora
from truenorth.edit.arrays import narrow
from truenorth.edit.finding import open_model
from truenorth.edit.models import Model, Part, Reference
from truenorth.edit.reading import piece
from truenorth.edit.safety._alignment import cosine, projector
from truenorth.edit.safety.safe_lora import picked
from truenorth.edit.storage import Stored, read
from truenorth.engine.atomic import whole_folder

WEIGHTS = "adapter_model.safetensors"


def safe_lora_adapter(
    adapter: str | Path,
    aligned: str,
    base: str,
    out: str | Path,
    *,
    threshold: float = 0.5,
    layers: int = 0,
    kind: str = "exact",
    energy: float = 0.99,
) -> dict[str, float]:
    """Write the adapter with its updates projected; returns each module's cosine, those projected or not.

    Args:
        adapter: a peft LoRA folder trained on `aligned`; other arguments as in `safe_lora`.

    Raises:
        UserError: not a LoRA, weights that the models lack, or `out` exists.

    Source: Hsu et al. 2024 (arXiv:2405.16833), eq. 1-4.
    """
    folder, out = Path(adapter), Path(out)
    if out.exists():
        raise UserError("this already exists", where=str(out), fix="choose another folder, or remove it")
    found = lora.adapter(folder)
    models = [open_model(Reference.parse(name)) for name in (aligned, base)]
    made: dict[str, tuple[float, Stored, np.ndarray]] = {}
    for name, delta in found.deltas.items():
        one, two = (_whole(model, name, delta.shape) for model in models)
        b = read(delta.b).reshape(delta.b.shape)
        update = b.astype(np.float64) @ read(delta.a).reshape(delta.a.shape)
        onto = projector(
            one.T if delta.transposed else one, two.T if delta.transposed else two, kind=kind, energy=energy
        )
        if onto is not None and update.any():
            made[name] = (cosine(update, onto @ update), delta.b, (onto @ b).astype(np.float32))
    cosines = {name: own[0] for name, own in made.items()}
    chosen = picked(cosines, threshold=threshold, layers=layers)
    _write(folder, out, [made[name][1:] for name in chosen])
    return cosines


def _whole(model: Model, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """A weight of a model, in the shape of its update."""
    part: Part | None = model.part(name)
    if part is None or part.shape != shape:
        has = f"has it as {list(part.shape)}" if part else "lacks it"
        raise UserError(
            f"the adapter changes {name} by a {list(shape)}; {model.name} {has}", where=model.name
        )
    return piece(part, 0, part.stored.size).reshape(shape)


def _write(folder: Path, out: Path, changed: list[tuple[Stored, np.ndarray]]) -> None:
    """The adapter's folder with other numbers in some places; types, names and settings stay."""
    data = bytearray((folder / WEIGHTS).read_bytes())
    for place, values in changed:
        data[place.offset : place.offset + place.bytes] = narrow(values, place.dtype).tobytes()
    with whole_folder(out) as made:
        for file in folder.iterdir():
            if (
                file.is_file()
                and file.name != WEIGHTS
                and file.suffix in (".json", ".jinja", ".txt", ".model")
            ):
                shutil.copyfile(file, made / file.name)
        (made / WEIGHTS).write_bytes(data)
