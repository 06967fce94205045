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
import resource
import sys
import time
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

CASES = [("default", "default"), ("precompute", "default"), ("precompute", "tuned")]  # TRL's, and of both


def train_ours(policy: Any, examples: list[Any], steps: int, on_step: OnStep) -> None:
    """Our loop over the pairs, its reference passes included."""
    from truenorth.learn import Task, fit

    task = Task("dpo", examples, "dpo", batch=BATCH)
    fit(SimpleNamespace(module=policy), [task], **our_settings(steps, on_step))


def trl_trainer(policy: Any, examples: list[Any], steps: int, vocabulary: int, precompute: bool) -> Any:
    """TRL's, with a second model as its reference, or with what that says computed before."""
    from datasets import Dataset
    from trl import DPOConfig, DPOTrainer

    rows = rows_as_text(examples, steps, name="dpo", columns=("chosen", "rejected"))
    return DPOTrainer(
        model=policy,
        ref_model=None if precompute else model(vocabulary),
        args=DPOConfig(**trl_settings(steps), precompute_ref_log_probs=precompute),
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer(vocabulary),
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
    """Both sides' numbers, step by step in turns."""
    from trl import DPOTrainer

    import truenorth.learn  # noqa: F401  (what makes tasks ready is timed below)

    examples = pairs(BATCH * steps, vocabulary)
    reference_s = {"trl": 0.0, "ours": 0.0}
    timed(DPOTrainer, "_precompute_ref_logps", reference_s, "trl")
    timed(sys.modules["truenorth.learn.ready"], "compute_reference", reference_s, "ours")
    trainer = trl_trainer(model(vocabulary), examples, steps, vocabulary, precompute)
    turns = take_turns(
        trainer, lambda on_step: train_ours(model(vocabulary), examples, steps, on_step), loss="dpo/loss"
    )
    counted = steps - 1  # the first step is warm-up
    whole = {s: sum(turns.seconds[s][1:]) + reference_s[s] * counted / steps for s in reference_s}
    return {
        "vocabulary": vocabulary,
        "trl": "precompute" if precompute else "default",
        **ratios(turns),
        "reference_cpu_s": {side: round(s, 2) for side, s in reference_s.items()},
        "ratio_with_reference": round(whole["trl"] / whole["ours"], 2),
        "floor_cpu_s_per_step": round(floor(examples, steps, vocabulary), 3),
    }


def floor(examples: list[Any], steps: int, vocabulary: int) -> float:
    """CPU seconds of a step's matrix products alone, without the reference: prompts once, no padding."""
    from truenorth.learn.order import tokens_of

    unique = sum(map(tokens_of, examples)) // steps
    trained = sum(len(c) for e in examples for c in e.completions) // steps
    return products_s(shapes(model(vocabulary), unique, trained))


def peak(side: str, vocabulary: int, steps: int) -> None:
    """Run one side alone and print its largest resident size in MB."""
    examples = pairs(BATCH * steps, vocabulary)
    if side == "trl":
        trl_trainer(model(vocabulary), examples, steps, vocabulary, False).train()
    else:
        train_ours(model(vocabulary), examples, steps, lambda seen: None)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)


def measured(vocabulary: int, steps: int, cases: list[tuple[str, str]]) -> list[dict[str, Any]]:
    """A row for each case at one vocabulary, each in a process of its own."""
    memory = {
        side: int(in_process("--one", side, str(vocabulary), "2", script=__file__))
        for side in ("trl", "ours")
    }
    rows = []
    for kind, malloc in cases:
        variables = FAST_MALLOC if malloc == "tuned" else {}
        said = in_process("--one", kind, str(vocabulary), str(steps), script=__file__, **variables)
        rows.append({**json.loads(said), "malloc": malloc, "peak_mb": memory})
    return rows


def main() -> None:
    """The table, and one JSON line."""
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
        rows += measured(vocabulary, steps, CASES[:1] if options.short else CASES)
    print(
        "vocabulary  TRL         malloc    CPU s a step (floor)  ratio (least, most)  with reference  peak MB"
    )
    for r in rows:
        seconds = f"{r['trl_cpu_s_per_step']:.2f} / {r['ours_cpu_s_per_step']:.2f}"
        seconds += f" ({r['floor_cpu_s_per_step']:.2f})"
        spread = f"{r['ratio']:.2f} ({r['ratio_min']:.2f}, {r['ratio_max']:.2f})"
        print(
            f"{r['vocabulary']:>10}  {r['trl']:<10}  {r['malloc']:<7}  {seconds:>21}  {spread:>19}"
            f"  {r['ratio_with_reference']:>14.2f}  {r['peak_mb']['trl']} / {r['peak_mb']['ours']}"
        )
    print(json.dumps({"benchmark": "dpo_vs_trl", "batch": BATCH, "steps": steps, "rows": rows}))
    return None


if __name__ == "__main__":
    main()
