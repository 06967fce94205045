"""What a training will take, before it is started: memory and time, from sizes and this machine's speed."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from truenorth.engine import duration
from truenorth.learn.data.finding import some
from truenorth.learn.order import CPU_TOKENS, tokens_of
from truenorth.recipes.forecast import LAYER_S, START_MIB, START_S, flops_a_second
from truenorth.recipes.train_adapters import weights_told
from truenorth.recipes.train_inputs import Ready
from truenorth.recipes.train_tasks import drawn_tokens
from truenorth.recipes.train_tasks import told as told_beside


class TrainForecast(NamedTuple):
    """Rough: within a factor of two, for models of which the matrices do most of the work."""

    tokens: int  # that training reads, repeats included
    cpu_s: float
    memory_mib: float
    disk_mib: float


def forecast(made: Ready) -> TrainForecast:
    """Forward and backward cost 6 products a weight and token, the reference and each evaluation 2."""
    s, look = made.settings, made.look
    tokens = round(made.tokens * made.epochs)
    looked_at = 2 * sum(len(e.prompt) + sum(map(len, e.completions)) for e in made.eval_examples)
    reference = made.tokens if made.needs.reference else 0
    drawn = drawn_tokens(s, len(made.examples))
    tokens += drawn + round(sum(map(tokens_of, made.imitated)) * made.epochs)
    speed = flops_a_second()
    layers_s = look.layers * LAYER_S
    cpu_s = START_S + (tokens * 6 + (reference + looked_at + drawn) * 2) * look.parameters / speed
    cpu_s += (3 * tokens + reference + looked_at) * layers_s
    weights = 4 * look.parameters / 2**20
    trains = 0.02 * weights if s.use_peft else weights
    passes = s.micro_tokens or CPU_TOKENS
    widest = max((len(e.prompt) + sum(map(len, e.completions)) for e in made.examples), default=0)
    states = 16 * max(passes, widest) * look.cache_bytes / 2**20  # what the backward pass keeps, about
    memory = (
        START_MIB + weights + 3 * trains + states + weights * (bool(s.ref_model) + bool(s.baseline_model))
    )
    disk = (3 * trains + trains) if s.use_peft else 4 * weights
    return TrainForecast(tokens, cpu_s, memory, disk)


def description(made: Ready, place: Path | str) -> str:
    """What `--dry-run` prints: the plan, what it will take, and where it would write."""
    s, told = made.settings, forecast(made)
    learned = sum(e.learned for e in made.train.encoded)
    held = f", {len(made.evaluation.encoded):,} to evaluate on" if made.evaluation else ""
    chosen = ", ".join(f"{k}={v}" for k, v in made.needs.settings.items() if k not in s.objective_settings)
    given = ", ".join(f"{k}={v}" for k, v in s.objective_settings.items())
    weights = weights_told(s)
    longest = max((e.length for e in made.train.encoded), default=0)
    beside = told_beside(s, len(made.examples))
    rows = [
        ("objective", f"{s.objective} ({', '.join(x for x in (given, chosen) if x) or 'no settings'})"),
        ("model", f"{made.look.name}, {made.look.parameters:,} parameters; {weights}"),
        (
            "data",
            f"{s.data}: {made.train.kind}, {some(len(made.train.encoded), len(made.train.rows))} to learn from{held}",
        ),
        (
            "tokens",
            f"{learned:,} trained of {made.tokens:,} read in an epoch; the longest row has {longest:,}",
        ),
        (
            "training",
            f"{made.steps:,} steps of {made.batch} ({made.epochs:.3g} epochs), "
            f"learning rate {made.rate:.2g} ({s.lr_scheduler_type}), seed {s.seed}",
        ),
        *([("beside", beside)] if beside else []),
        ("time", f"about {duration(told.cpu_s)} of one core"),
        ("memory", f"about {told.memory_mib / 1024:.1f} GiB"),
        ("disk", f"about {told.disk_mib / 1024:.2f} GiB, with the checkpoint to resume from"),
        ("writes", str(place)),
    ]
    return "\n".join(f"{name:<10} {text}" for name, text in rows)
