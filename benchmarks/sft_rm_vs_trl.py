"""SFT and reward-model steps beside TRL's trainers: same model, rows and order, both sides taking turns in one process.

    python benchmarks/sft_rm_vs_trl.py            # both, two vocabularies, 6 steps
    python benchmarks/sft_rm_vs_trl.py --short    # the small vocabulary only, 3 steps

One thread and own CPU seconds; the first step of each side is warm-up and dropped. "tuned" keeps large blocks of memory
in the process (see dpo_vs_trl.py), for both sides. Real tokens are those of prompts and completions without padding, a
prompt counted once for each of its completions, as TRL reads it. Prints a table, and one JSON line.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import threading
import time
import warnings
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from dpo_vs_trl import BATCH, FAST_MALLOC, LR, in_process, model, pairs

KINDS = ("sft", "reward")


def policy(kind: str, vocabulary: int) -> Any:
    if kind == "sft":
        return model(vocabulary)
    import torch
    from transformers import LlamaForSequenceClassification

    config = model(vocabulary).config
    config.num_labels, config.pad_token_id = 1, 0
    torch.manual_seed(0)
    return LlamaForSequenceClassification(config)


def data(kind: str, steps: int, vocabulary: int) -> list[Any]:
    """Pairs as in the DPO benchmark; for SFT their chosen answers."""
    rows = pairs(BATCH * steps, vocabulary)
    return [e._replace(completions=e.completions[:1]) for e in rows] if kind == "sft" else rows


def train_ours(kind: str, vocabulary: int, steps: int, on_step: Callable[[dict], None]) -> None:
    from truenorth.learn import Task, fit

    objective = "sft" if kind == "sft" else "bradley_terry"
    fit(
        SimpleNamespace(module=policy(kind, vocabulary)),
        [Task("task", data(kind, steps, vocabulary), objective, batch=BATCH)],
        steps=steps,
        lr=LR,
        schedule="constant",
        warmup=0,
        on_step=on_step,
    )


def trl_trainer(kind: str, vocabulary: int, steps: int) -> Any:
    """TRL's trainer at its fastest here: float32, no gradient checkpointing, our order of examples."""
    from datasets import Dataset
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast
    from trl import RewardConfig, RewardTrainer, SFTConfig, SFTTrainer

    from truenorth.learn.order import batch_at

    words = {"<pad>": 0, "<eos>": 1} | {f"w{i}": i for i in range(2, vocabulary)}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<pad>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    examples = data(kind, steps, vocabulary)
    order = [
        i for s in range(steps) for i in batch_at(s, size=BATCH, examples=len(examples), seed=0, name="task")
    ]

    def text(ids: tuple[int, ...]) -> str:
        return "".join(f" w{i}" for i in ids if i != 1)  # TRL adds the end itself

    names = ("completion",) if kind == "sft" else ("chosen", "rejected")
    rows = [
        {"prompt": text(e.prompt)} | {n: text(c) for n, c in zip(names, e.completions)}
        for e in (examples[i] for i in order)
    ]
    settings = {
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
    trainer, config = (SFTTrainer, SFTConfig) if kind == "sft" else (RewardTrainer, RewardConfig)
    return trainer(
        model=policy(kind, vocabulary),
        args=config(**settings),
        train_dataset=Dataset.from_list(rows),
        processing_class=PreTrainedTokenizerFast(
            tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<eos>"
        ),
    )


def interleave(kind: str, vocabulary: int, steps: int) -> dict[str, Any]:
    """CPU seconds and losses of both sides, step by step in turns."""
    from transformers import TrainerCallback

    trainer = trl_trainer(kind, vocabulary, steps)
    seconds: dict[str, list[float]] = {"trl": [], "ours": []}
    losses: dict[str, list[float]] = {"trl": [], "ours": []}
    plain_loss = trainer.compute_loss

    def recorded_loss(*arguments: Any, **more: Any) -> Any:
        loss = plain_loss(*arguments, **more)
        losses["trl"].append(float(loss))
        return loss

    trainer.compute_loss = recorded_loss
    go, done = threading.Semaphore(0), threading.Semaphore(0)
    mark = [0.0]

    def our_step(seen: dict[str, float]) -> None:
        seconds["ours"].append(time.process_time() - mark[0])
        losses["ours"].append(seen["task/loss"])
        done.release()
        go.acquire()
        mark[0] = time.process_time()

    def our_side() -> None:
        go.acquire()
        mark[0] = time.process_time()
        train_ours(kind, vocabulary, steps, our_step)

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
    return summary(kind, vocabulary, steps, seconds, losses)


def summary(kind: str, vocabulary: int, steps: int, seconds: dict, losses: dict) -> dict[str, Any]:
    kept = {side: times[1:] for side, times in seconds.items()}
    ratios = [a / b for a, b in zip(kept["trl"], kept["ours"])]
    tokens = sum(len(e.prompt) + len(c) for e in data(kind, steps, vocabulary) for c in e.completions) / steps
    each = {side: sum(times) / len(times) / tokens for side, times in kept.items()}
    return {
        "kind": kind,
        "vocabulary": vocabulary,
        "trl_cpu_us_per_token": round(1e6 * each["trl"], 1),
        "ours_cpu_us_per_token": round(1e6 * each["ours"], 1),
        "ratio": round(each["trl"] / each["ours"], 2),
        "ratio_min": round(min(ratios), 2),
        "ratio_max": round(max(ratios), 2),
        "largest_loss_difference": max(abs(a - b) for a, b in zip(losses["trl"], losses["ours"])),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--one", nargs=3, metavar=("KIND", "VOCABULARY", "STEPS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        warnings.simplefilter("ignore")
        kind, vocabulary, steps = options.one[0], int(options.one[1]), int(options.one[2])
        return print(json.dumps(interleave(kind, vocabulary, steps)))
    steps = options.steps or (3 if options.short else 6)
    rows = []
    for kind in KINDS:
        for vocabulary in [4096] if options.short else [4096, 32000]:
            for malloc, variables in (("default", {}), ("tuned", FAST_MALLOC)):
                case = ("--one", kind, str(vocabulary), str(steps))
                found = json.loads(in_process(*case, script=__file__, **variables))
                rows.append({**found, "malloc": malloc})
    print(
        "kind    vocabulary  malloc   CPU us a real token (TRL / ours)  ratio (least, most)  loss difference"
    )
    for r in rows:
        times = f"{r['trl_cpu_us_per_token']} / {r['ours_cpu_us_per_token']}"
        spread = f"{r['ratio']:.2f} ({r['ratio_min']:.2f}, {r['ratio_max']:.2f})"
        print(
            f"{r['kind']:<6}  {r['vocabulary']:>10}  {r['malloc']:<7}  {times:>32}  {spread:>19}"
            f"  {r['largest_loss_difference']:.1e}"
        )
    print(json.dumps({"benchmark": "sft_rm_vs_trl", "batch": BATCH, "steps": steps, "rows": rows}))
    return None


if __name__ == "__main__":
    main()
