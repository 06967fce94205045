"""How much a model holds: tokens of its context, and of its cache in the memory that there is."""

from __future__ import annotations

from typing import Any


def context_of(config: Any) -> int | None:
    """Most tokens of prompt and completion together, by a transformers text configuration; None: no limit known."""
    for name in ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length"):
        value = getattr(config, name, None)
        if isinstance(value, int) and value > 0:
            return value
    return None


def cache_bytes(config: Any, itemsize: int) -> int:
    """Of the keys and values of one token, where a number takes `itemsize` bytes."""
    heads = getattr(config, "num_attention_heads", 1)
    width = getattr(config, "head_dim", None) or getattr(config, "hidden_size", 0) // heads
    kept = getattr(config, "num_key_value_heads", None) or heads
    return 2 * getattr(config, "num_hidden_layers", 1) * kept * width * itemsize


def cache_places(module: Any) -> int:
    """How many tokens' keys and values fit 400 MB on a CPU, a quarter of what is free on a GPU."""
    import torch

    token_bytes = cache_bytes(module.config.get_text_config(decoder=True), module.dtype.itemsize)
    free = 1.6e9 if module.device.type != "cuda" else torch.cuda.mem_get_info(module.device)[0]
    return max(4096, int(free / 4 / token_bytes))
