"""The slow and obvious way to what learn does fast: one sequence at a time, the model's own logits."""

from __future__ import annotations

import random
from types import SimpleNamespace

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from truenorth.learn import Example

VOCABULARY = 97


def tiny_llama(seed: int = 0, *, vocabulary: int = VOCABULARY, **settings):
    torch.manual_seed(seed)
    config = {
        "vocab_size": vocabulary,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "tie_word_embeddings": True,
        "max_position_embeddings": 256,
        "initializer_range": 0.3,  # large, so that a mistake cannot hide in near-uniform predictions
    }
    return LlamaForCausalLM(LlamaConfig(**(config | settings))).eval()


def policy_of(module):
    return SimpleNamespace(module=module)


def tokens(draw: random.Random, low: int, high: int, vocabulary: int = VOCABULARY) -> tuple[int, ...]:
    return tuple(draw.randrange(vocabulary) for _ in range(draw.randint(low, high)))


def pairs(count: int, seed: int = 0) -> list[Example]:
    draw = random.Random(seed)
    return [Example(tokens(draw, 1, 9), (tokens(draw, 1, 12), tokens(draw, 1, 12))) for _ in range(count)]


def documents(count: int, seed: int = 0) -> list[Example]:
    draw = random.Random(seed)
    return [Example((1,), (tokens(draw, 1, 30),)) for _ in range(count)]


def logits(module, prompt, completion):
    """(T, V) what the model expects at each completion token."""
    out = module(input_ids=torch.tensor([[*prompt, *completion]]), use_cache=False).logits
    return out[0, len(prompt) - 1 : -1]


def logps(module, prompt, completion):
    """(T,) log-probs of the completion's tokens."""
    return (
        logits(module, prompt, completion).log_softmax(1).gather(1, torch.tensor(completion)[:, None])[:, 0]
    )


def gradients(module) -> dict[str, torch.Tensor]:
    return {name: p.grad.clone() for name, p in module.named_parameters() if p.grad is not None}
