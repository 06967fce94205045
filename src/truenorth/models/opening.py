"""Opening a model: the fastest way to its hidden states that is right.

The choice is made by a self-check on a tiny input: each path must give the log-probabilities that the model
itself gives, sequence by sequence.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from truenorth.base import UserError
from truenorth.models.forward import Forward, Path
from truenorth.models.fused import Fused, open_fused
from truenorth.models.head import Head, target_logps
from truenorth.models.prefixes import trims
from truenorth.models.virtual import Virtual, unwrapped

TOLERANCE = 2e-3  # nats, largest difference of a token's log-prob in the self-check (float32: 1e-6 is usual)


def _logits(module: Any, ids_BL: Tensor) -> Tensor:
    return module(input_ids=ids_BL, use_cache=False).logits


class _Probe(NamedTuple):
    prompt: tuple[int, ...]
    completions: tuple[tuple[int, ...], ...]


def open_forward(module: Any, *, prefer: Path = "packed") -> Forward:
    """The fastest path that agrees with the model on a tiny input, from `prefer` downwards.

    Raises:
        UserError: not even the model's own padded logits agree with its logits for single sequences.
    """
    module = unwrapped(module)
    compute = torch.bfloat16 if next(module.parameters()).device.type == "cuda" else torch.float32
    if (_chunked(module) or isinstance(module, Virtual)) and prefer == "packed":
        prefer = "padded"
    paths: list[Path] = ["packed", "padded", "logits"]
    training = module.training
    module.eval()
    try:
        tries = [Forward(module, path, compute) for path in paths[paths.index(prefer) :]]
        if parts := parts_of(module, tries[0].path, compute):
            tries.insert(0, replace(tries[0], parts=parts))
        for forward in tries:
            try:
                worst = disagreement(forward)
            except (TypeError, AttributeError, NotImplementedError, ValueError, RuntimeError, KeyError):
                continue  # this architecture does not take that call: the next path is plainer
            if worst <= _tolerance(forward):
                return replace(forward, trims=trims(forward, _tolerance(forward)))
    finally:
        module.train(training)
    raise UserError(
        f"log-probabilities of {type(module).__name__} change with padding",
        expected="a causal language model that honours attention_mask",
    )


def parts_of(module: Any, path: Path, compute: torch.dtype) -> tuple[Fused, ...]:
    """What stands in for parts of the model on this path, in float32 on a CPU."""
    weight = next(module.parameters())
    plain = weight.device.type == "cpu" and weight.dtype == compute == torch.float32
    return open_fused(module) if plain and path == "packed" else ()


def _tolerance(forward: Forward) -> float:
    exact = next(forward.module.parameters()).dtype == forward.compute == torch.float32
    return TOLERANCE if exact else 0.25


def _chunked(module: Any) -> bool:
    """Attention within chunks of thousands of tokens, which the self-check's tiny input does not reach."""
    config = module.config.get_text_config()
    kinds = set(getattr(config, "layer_types", None) or ())
    return not kinds <= {"full_attention", "sliding_attention"} or bool(
        getattr(config, "attention_chunk_size", None)
    )


def disagreement(forward: Forward) -> float:
    """Largest difference (nats) between this path's log-probs and the model's own, on a tiny input."""
    module = forward.module
    vocabulary = module.get_input_embeddings().weight.shape[0]
    draw = np.random.default_rng(0).integers(0, min(vocabulary, 1000), 40).tolist()
    examples = [
        _Probe(tuple(draw[:5]), (tuple(draw[5:12]), tuple(draw[12:14]))),
        _Probe(tuple(draw[14:15]), (tuple(draw[15:16]),)),
        _Probe(tuple(draw[16:25]), (tuple(draw[25:32]), tuple(draw[32:40]))),
    ]
    layout = forward.lay_out(examples)
    worst, at = 0.0, 0
    whole = module.plain if isinstance(module, Virtual) else partial(_logits, module)
    with torch.no_grad():
        ours_T = target_logps(forward.head, forward.rows(examples, layout), layout.target_T)
        for example in examples:
            for completion in example.completions:
                ids = torch.tensor([[*example.prompt, *completion]], device=forward.device)
                logits_LV = whole(ids)[0, len(example.prompt) - 1 : -1]
                plain_T = target_logps(Head(None), logits_LV, torch.tensor(completion, device=forward.device))
                difference = (ours_T[at : at + len(completion)] - plain_T).abs().max().item()
                worst = max(worst, difference if difference == difference else float("inf"))
                at += len(completion)
    return worst
