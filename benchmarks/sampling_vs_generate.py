"""Tokens per CPU second: LocalModel's sampling beside transformers' generate, turn by turn in one process.

    python benchmarks/sampling_vs_generate.py [--cases micro ends 15m] [--repeats 5] [--threads 1]

32 prompts of 15 to 45 tokens, 8 answers each, temperature 1. `generate` gets its best: one left-padded batch
with the 8 answers of each prompt in it, SDPA, its dynamic cache, top_k off, inference mode.

Cases: `micro`, a Llama of 2M weights (vocabulary 1024), 40 new tokens, nothing ends early; `ends`, the same
where a token in twenty ends an answer; `15m`, 15M weights (vocabulary 32,000), 40 new tokens. Only real
tokens count (up to the one that ends the answer). Prints a table and one JSON line.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import transformers

from truenorth.models.sampling import Ask, plan, sample_batch

CASES: dict[str, dict[str, Any]] = {
    "micro": {"vocab": 1024, "hidden": 160, "layers": 6, "heads": 5, "inter": 448, "ends": 0},
    "ends": {"vocab": 1024, "hidden": 160, "layers": 6, "heads": 5, "inter": 448, "ends": 50},
    "15m": {"vocab": 32000, "hidden": 288, "layers": 6, "heads": 6, "inter": 768, "ends": 0},
}
NEW = 40


def random_llama(
    *, vocab: int, hidden: int, layers: int, heads: int, inter: int, ends: int, context: int = 512
) -> Any:
    """A Llama with random weights; its first `ends` tokens end an answer."""
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=vocab,
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        intermediate_size=inter,
        max_position_embeddings=context,
        tie_word_embeddings=True,
    )
    config.bos_token_id = config.eos_token_id = config.pad_token_id = None
    return transformers.LlamaForCausalLM._from_config(config, attn_implementation="sdpa").eval()


def prompts_of(vocab: int, ends: int, count: int = 32) -> list[list[int]]:
    chance = random.Random(0)
    return [[chance.randrange(ends, vocab) for _ in range(chance.randint(15, 45))] for _ in range(count)]


def generated(model: Any, prompts: list[list[int]], ends: int, answers: int = 8) -> int:
    """Real tokens of one call of `generate`."""
    width = max(map(len, prompts))
    ids = torch.tensor([[0] * (width - len(p)) + p for p in prompts])
    mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts])
    eos = list(range(ends)) or None
    with torch.inference_mode():
        out = model.generate(
            ids,
            attention_mask=mask,
            do_sample=True,
            top_k=0,
            temperature=1.0,
            max_new_tokens=NEW,
            num_return_sequences=answers,
            eos_token_id=eos,
            pad_token_id=0,
        )[:, width:]
    ended = out < ends
    first = torch.where(ended.any(1), ended.int().argmax(1) + 1, NEW)
    return int(first.clamp(max=out.shape[1]).sum())


def sampled(model: Any, prompts: list[list[int]], ends: int, answers: int = 8) -> int:
    """Real tokens of the same job of ours."""
    asks = [Ask(p, [1000 * i + k for k in range(answers)], NEW) for i, p in enumerate(prompts)]
    total = 0
    for batch in plan(asks, batch_tokens=65_536, batch_rows=512):
        drawn = sample_batch(model, [asks[i] for i in batch], eos_ids=frozenset(range(ends)), pad_id=0)
        total += sum(len(row.tokens) for rows in drawn for row in rows)
    return total


def rate(work: Callable[[], int]) -> float:
    """Tokens per second of this process's CPU time."""
    start = time.process_time()
    tokens = work()
    return tokens / (time.process_time() - start)


def main() -> None:
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=plain)
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=list(CASES))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    results = {}
    print(f"{'case':>6} {'generate tok/CPU-s':>19} {'ours':>8} {'ratio (min-max)':>22}")
    for case in given.cases:
        settings = CASES[case]
        model, ends = random_llama(**settings), settings["ends"]
        prompts = prompts_of(settings["vocab"], ends)
        generated(model, prompts[:4], ends)  # warm-up
        sampled(model, prompts[:4], ends)
        pairs = []
        for _ in range(given.repeats):
            theirs = rate(partial(generated, model, prompts, ends))
            pairs.append((theirs, rate(partial(sampled, model, prompts, ends))))
        ratios = sorted(ours / theirs for theirs, ours in pairs)
        theirs, ours = max(t for t, _ in pairs), max(o for _, o in pairs)
        middle = ratios[len(ratios) // 2]
        print(f"{case:>6} {theirs:>19.0f} {ours:>8.0f} {middle:>8.2f} ({ratios[0]:.2f}-{ratios[-1]:.2f})")
        results[case] = {
            "generate": round(theirs),
            "ours": round(ours),
            "ratio": round(middle, 3),
            "ratios": [round(r, 3) for r in ratios],
        }
    print(
        json.dumps(
            {
                "benchmark": "sampling_vs_generate",
                "unit": "tokens per CPU second",
                "cases": results,
                "threads": given.threads,
                "cores": os.cpu_count(),
                "load": os.getloadavg()[0],
                "python": platform.python_version(),
                "torch": torch.__version__,
                "transformers": transformers.__version__,
            }
        )
    )


if __name__ == "__main__":
    main()
