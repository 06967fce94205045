"""DPO steps beside TRL's `DPOTrainer`: same model, pairs and order, both sides taking turns in one process.

    python benchmarks/dpo_vs_trl.py            # both sizes, 6 steps, with and without precompute
    python benchmarks/dpo_vs_trl.py --short    # the small size only, 3 steps: about a minute

One thread and own CPU seconds, so that other processes on the machine change little. The first step of each
side is warm-up and dropped. Reference passes are counted on both sides. glibc's malloc gives large blocks back
to the system after each use, which costs both sides, and TRL more; "tuned" keeps them (the two variables
below), at the price of memory. Prints a table, and one JSON line.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

FAST_MALLOC = {"MALLOC_MMAP_THRESHOLD_": "8000000000", "MALLOC_TRIM_THRESHOLD_": "16000000000"}
CASES = [("default", "default"), ("precompute", "default"), ("precompute", "tuned")]  # TRL's, and of both
BATCH = 8
LR = 1e-4


def model(vocabulary: int) -> Any:
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


def train_ours(policy: Any, examples: list[Any], steps: int, on_step: Callable[[dict], None]) -> None:
    from truenorth.learn import Task, fit

    fit(
        SimpleNamespace(module=policy),
        [Task("dpo", examples, "dpo", batch=BATCH)],
        steps=steps,
        lr=LR,
        schedule="constant",
        warmup=0,
        on_step=on_step,
    )


def trl_trainer(policy: Any, examples: list[Any], steps: int, vocabulary: int, precompute: bool) -> Any:
    """TRL's trainer at its fastest here: float32, no gradient checkpointing, our order of examples."""
    from datasets import Dataset
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast
    from trl import DPOConfig, DPOTrainer

    from truenorth.learn.order import batch_at

    words = {"<pad>": 0, "<eos>": 1} | {f"w{i}": i for i in range(2, vocabulary)}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<pad>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    order = [
        i for s in range(steps) for i in batch_at(s, size=BATCH, examples=len(examples), seed=0, name="dpo")
    ]

    def text(ids: tuple[int, ...]) -> str:
        return "".join(f" w{i}" for i in ids if i != 1)  # TRL adds the end itself

    rows = [
        {"prompt": text(e.prompt), "chosen": text(e.completions[0]), "rejected": text(e.completions[1])}
        for e in (examples[i] for i in order)
    ]
    config = DPOConfig(
        output_dir=tempfile.mkdtemp(),
        per_device_train_batch_size=BATCH,
        max_steps=steps,
        learning_rate=LR,
        lr_scheduler_type="constant",
        max_grad_norm=1.0,
        optim="adamw_torch_fused",
        train_sampling_strategy="sequential",
        precompute_ref_log_probs=precompute,
        gradient_checkpointing=False,
        bf16=False,
        use_cpu=True,
        logging_strategy="no",
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
    )
    wrapped = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<eos>")
    return DPOTrainer(
        model=policy,
        ref_model=None if precompute else model(vocabulary),
        args=config,
        train_dataset=Dataset.from_list(rows),
        processing_class=wrapped,
    )


def timed(owner: Any, name: str, seconds: dict[str, float], side: str) -> None:
    """Add the CPU seconds of every call of `owner.name` to `seconds[side]`."""
    plain = getattr(owner, name)

    def call(*arguments: Any, **settings: Any) -> Any:
        start = time.process_time()
        found = plain(*arguments, **settings)
        seconds[side] += time.process_time() - start
        return found

    setattr(owner, name, call)


def interleave(vocabulary: int, steps: int, precompute: bool) -> dict[str, Any]:
    """CPU seconds and losses of both sides, step by step in turns."""
    from transformers import TrainerCallback
    from trl import DPOTrainer

    import truenorth.learn  # noqa: F401  (the module of `fit` is timed below)

    examples = pairs(BATCH * steps, vocabulary)
    reference_s = {"trl": 0.0, "ours": 0.0}
    timed(DPOTrainer, "_precompute_ref_logps", reference_s, "trl")
    timed(sys.modules["truenorth.learn.ready"], "compute_reference", reference_s, "ours")
    trainer = trl_trainer(model(vocabulary), examples, steps, vocabulary, precompute)

    seconds: dict[str, list[float]] = {"trl": [], "ours": []}
    losses: dict[str, list[float]] = {"trl": [], "ours": []}
    plain_loss = trainer.compute_loss

    def recorded_loss(*arguments: Any, **settings: Any) -> Any:
        loss = plain_loss(*arguments, **settings)
        losses["trl"].append(float(loss))
        return loss

    trainer.compute_loss = recorded_loss
    go, done = threading.Semaphore(0), threading.Semaphore(0)
    mark = [0.0]

    def our_step(seen: dict[str, float]) -> None:
        seconds["ours"].append(time.process_time() - mark[0])
        losses["ours"].append(seen["dpo/loss"])
        done.release()
        go.acquire()
        mark[0] = time.process_time()

    def our_side() -> None:
        go.acquire()
        mark[0] = time.process_time()
        train_ours(model(vocabulary), examples, steps, our_step)

    thread = threading.Thread(target=our_side)
    thread.start()

    class Turns(TrainerCallback):
        def on_train_begin(self, *_: Any, **__: Any) -> None:
            mark[0] = time.process_time()

        def on_step_end(self, *_: Any, **__: Any) -> None:
            seconds["trl"].append(time.process_time() - mark[0])
            go.release()
            done.acquire()
            mark[0] = time.process_time()

    trainer.add_callback(Turns())
    trainer.train()
    go.release()
    thread.join()
    return summary(vocabulary, precompute, steps, seconds, reference_s, losses)


def summary(vocabulary: int, precompute: bool, steps: int, seconds, reference_s, losses) -> dict[str, Any]:
    kept = {side: times[1:] for side, times in seconds.items()}
    ratios = [a / b for a, b in zip(kept["trl"], kept["ours"])]
    whole = {side: sum(kept[side]) + reference_s[side] * (steps - 1) / steps for side in kept}
    return {
        "vocabulary": vocabulary,
        "trl": "precompute" if precompute else "default",
        "trl_cpu_s_per_step": round(sum(kept["trl"]) / len(kept["trl"]), 3),
        "ours_cpu_s_per_step": round(sum(kept["ours"]) / len(kept["ours"]), 3),
        "ratio": round(sum(kept["trl"]) / sum(kept["ours"]), 2),
        "ratio_min": round(min(ratios), 2),
        "ratio_max": round(max(ratios), 2),
        "reference_cpu_s": {side: round(s, 2) for side, s in reference_s.items()},
        "ratio_with_reference": round(whole["trl"] / whole["ours"], 2),
        "largest_loss_difference": max(abs(a - b) for a, b in zip(losses["trl"], losses["ours"])),
    }


def peak(side: str, vocabulary: int, steps: int) -> None:
    """Run one side alone and print its largest resident size in MB."""
    examples = pairs(BATCH * steps, vocabulary)
    if side == "trl":
        trl_trainer(model(vocabulary), examples, steps, vocabulary, False).train()
    else:
        train_ours(model(vocabulary), examples, steps, lambda seen: None)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)


def in_process(*arguments: str, script: str = __file__, **variables: str) -> str:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore", **variables}
    command = [sys.executable, script, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout.strip().splitlines()[-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--one", nargs=3, metavar=("KIND", "VOCABULARY", "STEPS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        kind, vocabulary, steps = options.one[0], int(options.one[1]), int(options.one[2])
        warnings.simplefilter("ignore")
        if kind in ("trl", "ours"):
            return peak(kind, vocabulary, steps)
        return print(json.dumps(interleave(vocabulary, steps, kind == "precompute")))
    steps = options.steps or (3 if options.short else 6)
    rows = []
    for vocabulary in [4096] if options.short else [4096, 32000]:
        memory = {side: int(in_process("--one", side, str(vocabulary), "2")) for side in ("trl", "ours")}
        for kind, malloc in CASES[:1] if options.short else CASES:
            variables = FAST_MALLOC if malloc == "tuned" else {}
            found = json.loads(in_process("--one", kind, str(vocabulary), str(steps), **variables))
            rows.append({**found, "malloc": malloc, "peak_mb": memory})
    print("vocabulary  TRL         malloc    CPU s a step  ratio (least, most)  with reference  peak MB")
    for r in rows:
        seconds = f"{r['trl_cpu_s_per_step']:.2f} / {r['ours_cpu_s_per_step']:.2f}"
        spread = f"{r['ratio']:.2f} ({r['ratio_min']:.2f}, {r['ratio_max']:.2f})"
        print(
            f"{r['vocabulary']:>10}  {r['trl']:<10}  {r['malloc']:<7}  {seconds:>13}  {spread:>19}"
            f"  {r['ratio_with_reference']:>14.2f}  {r['peak_mb']['trl']} / {r['peak_mb']['ours']}"
        )
    print(json.dumps({"benchmark": "dpo_vs_trl", "batch": BATCH, "steps": steps, "rows": rows}))
    return None


if __name__ == "__main__":
    main()
