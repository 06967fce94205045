"""SFT and reward-model steps beside TRL's trainers: same model, rows and order, both sides taking turns in one process.

    python benchmarks/sft_rm_vs_trl.py            # both, two vocabularies, 6 steps
    python benchmarks/sft_rm_vs_trl.py --short    # the small vocabulary only, 3 steps

One thread and own CPU seconds; the first step of each side is warm-up and dropped. "tuned" keeps large blocks of memory
in the process (see dpo_vs_trl.py), for both sides. Real tokens are those of prompts and completions without padding, a
prompt counted once for each of its completions, as TRL reads it. "Floor" is the time of the matrix products that these
tokens need (prompts once, no padding, head and most of the last layer only where they are read), measured in the same
process: no loop is faster, so that TRL over it is the largest ratio there could be. Prints a table, and one JSON line.
"""

from __future__ import annotations

import argparse
import json
import warnings
from types import SimpleNamespace
from typing import Any

from _beside_trl import (
    BATCH,
    FAST_MALLOC,
    OnStep,
    in_process,
    model,
    our_settings,
    pairs,
    products_s,
    ratios,
    rows_as_text,
    shapes,
    take_turns,
    tokenizer,
    trl_settings,
)

KINDS = ("sft", "reward")


def policy(kind: str, vocabulary: int) -> Any:
    """The model to train: a language model, or the same body with a score head."""
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


def train_ours(kind: str, vocabulary: int, steps: int, on_step: OnStep) -> None:
    """Our loop over the same rows."""
    from truenorth.learn import Task, fit

    objective = "sft" if kind == "sft" else "bradley_terry"
    task = Task("task", data(kind, steps, vocabulary), objective, batch=BATCH)
    fit(SimpleNamespace(module=policy(kind, vocabulary)), [task], **our_settings(steps, on_step))


def trl_trainer(kind: str, vocabulary: int, steps: int) -> Any:
    """TRL's trainer of this kind."""
    from datasets import Dataset
    from trl import RewardConfig, RewardTrainer, SFTConfig, SFTTrainer

    columns = ("completion",) if kind == "sft" else ("chosen", "rejected")
    rows = rows_as_text(data(kind, steps, vocabulary), steps, name="task", columns=columns)
    trainer, config = (SFTTrainer, SFTConfig) if kind == "sft" else (RewardTrainer, RewardConfig)
    return trainer(
        model=policy(kind, vocabulary),
        args=config(**trl_settings(steps)),
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer(vocabulary),
    )


def interleave(kind: str, vocabulary: int, steps: int) -> dict[str, Any]:
    """Both sides' numbers, step by step in turns, by real token."""
    trainer = trl_trainer(kind, vocabulary, steps)
    turns = take_turns(
        trainer, lambda on_step: train_ours(kind, vocabulary, steps, on_step), loss="task/loss"
    )
    found = ratios(turns)
    tokens = sum(len(e.prompt) + len(c) for e in data(kind, steps, vocabulary) for c in e.completions) / steps
    each = {
        f"{side}_cpu_us_per_token": round(1e6 * found.pop(f"{side}_cpu_s_per_step") / tokens, 1)
        for side in ("trl", "ours")
    }
    return {"kind": kind, "vocabulary": vocabulary, **each, **found, **floor(kind, vocabulary, steps, each)}


def floor(kind: str, vocabulary: int, steps: int, each: dict[str, float]) -> dict[str, float]:
    """The matrix products' share: microseconds a real token, and the ratio of a loop that did nothing else."""
    from truenorth.learn.order import tokens_of

    rows = data(kind, steps, vocabulary)
    ends = [len(c) for e in rows for c in e.completions]
    unique = sum(map(tokens_of, rows)) + (len(ends) if kind == "reward" else 0)
    trained = len(ends) if kind == "reward" else sum(ends)
    seconds = products_s(shapes(policy(kind, vocabulary), unique // steps, trained // steps))
    least = 1e6 * seconds * steps / sum(len(e.prompt) + len(c) for e in rows for c in e.completions)
    return {
        "floor_cpu_us_per_token": round(least, 1),
        "ratio_at_the_floor": round(each["trl_cpu_us_per_token"] / least, 2),
    }


def main() -> None:
    """The table, and one JSON line."""
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
        "kind    vocabulary  malloc   CPU us a real token (TRL / ours / floor)  ratio (least, most)  "
        "ratio at the floor  loss difference"
    )
    for r in rows:
        times = " / ".join(str(r[f"{side}_cpu_us_per_token"]) for side in ("trl", "ours", "floor"))
        spread = f"{r['ratio']:.2f} ({r['ratio_min']:.2f}, {r['ratio_max']:.2f})"
        print(
            f"{r['kind']:<6}  {r['vocabulary']:>10}  {r['malloc']:<7}  {times:>40}  {spread:>19}"
            f"  {r['ratio_at_the_floor']:>18.2f}  {r['largest_loss_difference']:.1e}"
        )
    print(json.dumps({"benchmark": "sft_rm_vs_trl", "batch": BATCH, "steps": steps, "rows": rows}))
    return None


if __name__ == "__main__":
    main()
