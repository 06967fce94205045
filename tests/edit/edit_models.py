"""Tiny Llama-shaped folders with odd sizes, from seeds, written by the safetensors library."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

HIDDEN, INNER, VOCAB, LAYERS = 6, 7, 11, 3
CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": HIDDEN,
    "intermediate_size": INNER,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "vocab_size": VOCAB,
    "tie_word_embeddings": True,
    "dtype": "float32",
}


def shapes(*, vocab: int = VOCAB, layers: int = LAYERS) -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (vocab, HIDDEN)}
    for i in range(layers):
        layer = f"model.layers.{i}."
        found |= {
            layer + "self_attn.q_proj.weight": (HIDDEN, HIDDEN),
            layer + "self_attn.k_proj.weight": (HIDDEN // 2, HIDDEN),
            layer + "self_attn.v_proj.weight": (HIDDEN // 2, HIDDEN),
            layer + "self_attn.o_proj.weight": (HIDDEN, HIDDEN),
            layer + "mlp.gate_proj.weight": (INNER, HIDDEN),
            layer + "mlp.up_proj.weight": (INNER, HIDDEN),
            layer + "mlp.down_proj.weight": (HIDDEN, INNER),
            layer + "input_layernorm.weight": (HIDDEN,),
            layer + "post_attention_layernorm.weight": (HIDDEN,),
        }
    return found | {"model.norm.weight": (HIDDEN,)}


def weights(seed: int, **size: int) -> dict[str, np.ndarray]:
    """Seed 0 is a base of N(0, 1); any other is that base plus changes of N(0, 0.3)."""
    base = {name: np.random.default_rng(7).standard_normal(s) for name, s in shapes(**size).items()}
    rng = np.random.default_rng(100 + seed)
    scale = 0.3 if seed else 0.0
    return {n: (v + scale * rng.standard_normal(v.shape)).astype(np.float32) for n, v in base.items()}


def save(folder: Path, tensors: Mapping[str, np.ndarray], **config: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    save_file(dict(tensors), folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(CONFIG | config))
    return folder


def models(folder: Path, count: int = 4, **size: int) -> list[Path]:
    """Folders m0 (the base), m1, ..."""
    return [save(folder / f"m{i}", weights(i, **size)) for i in range(count)]


def loaded(folder: Path) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}
    for file in sorted(folder.glob("*.safetensors")):
        found |= load_file(file)
    return found
