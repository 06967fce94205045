"""What the benchmarks beside TRL share: model, pairs, its settings at their fastest here, and taking turns."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

FAST_MALLOC = {"MALLOC_MMAP_THRESHOLD_": "8000000000", "MALLOC_TRIM_THRESHOLD_": "16000000000"}
BATCH = 8
LR = 1e-4
OnStep = Callable[[Mapping[str, float]], None]


class Turns(NamedTuple):
    """CPU seconds and losses of both sides, step by step."""

    seconds: dict[str, list[float]]
    losses: dict[str, list[float]]


def model(vocabulary: int) -> Any:
    """A Llama of 7M weights at a vocabulary of 4,096, of 15M at 32,000."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    sizes = {"hidden_size": 288, "num_hidden_layers": 6, "intermediate_size": 768, "num_attention_heads": 6}
    return LlamaForCausalLM(LlamaConfig(vocab_size=vocabulary, tie_word_embeddings=True, **sizes))


def pairs(count: int, vocabulary: int) -> list[Any]:
    """Prompts of 20 to 80 tokens, completions of 30 to 200 (log-uniform)."""
    import numpy as np

    from truenorth.learn import Example

    draw = np.random.default_rng(0)

    def ids(length: float) -> tuple[int, ...]:
        return tuple(draw.integers(2, vocabulary, int(length)).tolist())

    def completion() -> tuple[int, ...]:
        return (*ids(np.exp(draw.uniform(np.log(30), np.log(200)))), 1)

    return [Example(ids(draw.integers(20, 81)), (completion(), completion())) for _ in range(count)]


def rows_as_text(
    examples: Sequence[Any], steps: int, *, name: str, columns: Sequence[str]
) -> list[dict[str, str]]:
    """The examples in the order in which our loop sees them, as TRL's columns."""
    from truenorth.learn.order import batch_at

    order = [
        i for s in range(steps) for i in batch_at(s, size=BATCH, examples=len(examples), seed=0, name=name)
    ]

    def text(ids: tuple[int, ...]) -> str:
        return "".join(f" w{i}" for i in ids if i != 1)  # TRL adds the end itself

    return [
        {"prompt": text(e.prompt)} | {n: text(c) for n, c in zip(columns, e.completions)}
        for e in (examples[i] for i in order)
    ]


def tokenizer(vocabulary: int) -> Any:
    """Word `wI` is token I."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = {"<pad>": 0, "<eos>": 1} | {f"w{i}": i for i in range(2, vocabulary)}
    made = Tokenizer(models.WordLevel(words, unk_token="<pad>"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=made, pad_token="<pad>", eos_token="<eos>")


def trl_settings(steps: int) -> dict[str, Any]:
    """TRL at its fastest here: float32, no gradient checkpointing, our order of examples."""
    return {
        "output_dir": tempfile.mkdtemp(),
        "per_device_train_batch_size": BATCH,
        "max_steps": steps,
        "learning_rate": LR,
        "lr_scheduler_type": "constant",
        "max_grad_norm": 1.0,
        "optim": "adamw_torch_fused",
        "train_sampling_strategy": "sequential",
        "gradient_checkpointing": False,
        "bf16": False,
        "use_cpu": True,
        "logging_strategy": "no",
        "save_strategy": "no",
        "report_to": [],
        "disable_tqdm": True,
    }


def our_settings(steps: int, on_step: OnStep) -> dict[str, Any]:
    """The same for `fit`."""
    return {"steps": steps, "lr": LR, "schedule": "constant", "warmup": 0, "on_step": on_step}


def take_turns(trainer: Any, ours: Callable[[OnStep], None], *, loss: str) -> Turns:
    """Run TRL's trainer and `ours(on_step)` in one process, a step of the one after a step of the other.

    Args:
        loss: what our loop calls its loss.
    """
    from transformers import TrainerCallback

    found = Turns({"trl": [], "ours": []}, {"trl": [], "ours": []})
    plain_loss = trainer.compute_loss

    def recorded_loss(*arguments: Any, **more: Any) -> Any:
        value = plain_loss(*arguments, **more)
        found.losses["trl"].append(float(value))
        return value

    trainer.compute_loss = recorded_loss
    go, done = threading.Semaphore(0), threading.Semaphore(0)
    mark = [0.0]

    def our_step(seen: Mapping[str, float]) -> None:
        found.seconds["ours"].append(time.process_time() - mark[0])
        found.losses["ours"].append(seen[loss])
        done.release()
        go.acquire()
        mark[0] = time.process_time()

    def our_side() -> None:
        go.acquire()
        mark[0] = time.process_time()
        ours(our_step)

    class Their(TrainerCallback):
        def on_train_begin(self, *_: Any, **__: Any) -> None:
            mark[0] = time.process_time()

        def on_step_end(self, *_: Any, **__: Any) -> None:
            found.seconds["trl"].append(time.process_time() - mark[0])
            go.release()
            done.acquire()
            mark[0] = time.process_time()

    thread = threading.Thread(target=our_side)
    thread.start()
    trainer.add_callback(Their())
    trainer.train()
    go.release()
    thread.join()
    return found


def ratios(turns: Turns) -> dict[str, Any]:
    """CPU seconds a step of both sides and their ratio, without the first step (warm-up), and how losses differ."""
    kept = {side: times[1:] for side, times in turns.seconds.items()}
    each = [a / b for a, b in zip(kept["trl"], kept["ours"])]
    return {
        "trl_cpu_s_per_step": round(sum(kept["trl"]) / len(kept["trl"]), 3),
        "ours_cpu_s_per_step": round(sum(kept["ours"]) / len(kept["ours"]), 3),
        "ratio": round(sum(kept["trl"]) / sum(kept["ours"]), 2),
        "ratio_min": round(min(each), 2),
        "ratio_max": round(max(each), 2),
        "largest_loss_difference": max(abs(a - b) for a, b in zip(turns.losses["trl"], turns.losses["ours"])),
    }


def products_s(shapes: Sequence[tuple[int, int, int]]) -> float:
    """CPU seconds of a step's matrix products alone: what no software can save that trains these tokens.

    Args:
        shapes: (rows, in, out) of each linear layer; forward, and backward to its input and its weight.
    """
    import torch

    best = float("inf")
    for _ in range(3):
        spent = 0.0
        for rows, wide, out in shapes:
            x, w, g = torch.randn(rows, wide), torch.randn(out, wide), torch.randn(rows, out)
            start = time.process_time()
            torch.mm(x, w.T), torch.mm(g, w), torch.mm(g.T, x)
            spent += time.process_time() - start
        best = min(best, spent)
    return best


def shapes(module: Any, rows: int, read: int) -> list[tuple[int, int, int]]:
    """Those of a model over `rows` tokens. What makes no keys and values is needed only at the `read` tokens whose
    states are read at the end: the head, and the last layer's queries, outputs and MLP."""
    import torch

    last = f"layers.{module.config.num_hidden_layers - 1}."
    found = []
    for name, layer in module.named_modules():
        if isinstance(layer, torch.nn.Linear):
            few = name in ("lm_head", "score") or (last in name and not name.endswith(("k_proj", "v_proj")))
            found.append((read if few else rows, layer.in_features, layer.out_features))
    return found


def in_process(*arguments: str, script: str, **variables: str) -> str:
    """The last line that the script prints, run with one thread in a process of its own."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore", **variables}
    command = [sys.executable, script, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout.strip().splitlines()[-1]
