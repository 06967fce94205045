"""Record what mergekit 0.1.5 makes of the cases: run by hand, in an environment that has both packages.

    python tests/edit/mergekit_outputs.py

Random methods get truenorth's random bits in place of torch.bernoulli's, so that masks are the same.
"""

from __future__ import annotations

import logging
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
import yaml
from safetensors.torch import load_file, save_file

sys.path.insert(0, str(Path(__file__).parent))
from edit_models import models
from mergekit_cases import DETERMINISTIC, RANDOM

OUT = Path(__file__).parent / "files" / "mergekit_0_1_5.safetensors"


def main() -> None:
    import mergekit.sparsify
    from mergekit.config import MergeConfiguration
    from mergekit.merge import run_merge
    from mergekit.options import MergeOptions

    from truenorth.edit.noise import noise_of

    place: dict[str, object] = {}

    def bernoulli(chances: torch.Tensor) -> torch.Tensor:
        bits = noise_of(0, place["name"], place["model"], 0, chances.numel()).reshape(tuple(chances.shape))
        place["model"] += 1
        while place["densities"][place["model"] % 3] >= 1:  # mergekit draws nothing where all stays
            place["model"] += 1
        return torch.from_numpy(
            ((bits.astype(np.float64) * 2.0**-32) < chances.double().numpy()).astype(np.float32)
        )

    recorded = {}
    with tempfile.TemporaryDirectory() as folder:
        paths = models(Path(folder))
        for case, text in {**DETERMINISTIC, **RANDOM}.items():
            for i, path in enumerate(paths):
                text = text.replace(f"M{i}", str(path))
            config = MergeConfiguration.model_validate(yaml.safe_load(text))
            if case in RANDOM:
                recorded |= {f"{case}/{n}": t for n, t in randomly(config, paths, place, bernoulli).items()}
                continue
            out = Path(folder) / case
            run_merge(
                config, str(out), MergeOptions(write_model_card=False, copy_tokenizer=False, quiet=True)
            )
            for file in out.glob("*.safetensors"):
                recorded |= {f"{case}/{name}": tensor for name, tensor in load_file(file).items()}
    assert mergekit.sparsify
    save_file(recorded, OUT)
    print(f"{len(recorded)} tensors, {OUT.stat().st_size:,} bytes")


def randomly(config, paths, place, bernoulli):
    """A random method tensor by tensor, so that the order of draws is known."""
    import mergekit.sparsify
    from mergekit import merge_methods
    from mergekit.merge_methods.base import PerInputValues, TensorGroup

    method = merge_methods.get(config.merge_method)
    loaded = [load_file(path / "model.safetensors") for path in paths]
    own = [entry.parameters for entry in config.models]
    made = {}
    original, mergekit.sparsify.torch.bernoulli = mergekit.sparsify.torch.bernoulli, bernoulli
    try:
        for name in loaded[0]:
            place |= {"name": name, "model": 0, "densities": [o.get("density", 1.0) for o in own]}
            settings = dict(config.parameters or {})
            for key in ("weight", "density", "epsilon"):
                if key in own[0]:
                    settings[key] = PerInputValues([(i + 1, o[key]) for i, o in enumerate(own)])
            group = TensorGroup.from_tensors([weights[name] for weights in loaded], base_index=0)
            (made[name],) = method((group,), parameters=settings)
    finally:
        mergekit.sparsify.torch.bernoulli = original
    return made


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    main()
