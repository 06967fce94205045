"""What a job on a model of one's own would do, cost and need, before it is started."""

from __future__ import annotations

import time
from functools import cache
from typing import NamedTuple

from truenorth.engine import duration
from truenorth.judges._prompts import neutralise
from truenorth.models.glance import Glance
from truenorth.recipes.own_inputs import Ready
from truenorth.recipes.own_roles import WORDS
from truenorth.recipes.settings import Settings

LAYER_S = 12e-6  # seconds a token and layer that a small model costs whatever its width, on one core
START_S, START_MIB = 15.0, 700.0  # importing torch and transformers, and their resident memory


class Forecast(NamedTuple):
    """Expected work. Rough: within a factor of two, for models of which the matrices do most of the work."""

    sampled: int  # tokens
    trained: int  # tokens, with both answers of each pair
    requests: int  # to endpoints
    cpu_s: float
    memory_mib: float


def forecast(made: Ready) -> Forecast:
    """From the sizes of the model and the job, and this machine's speed at a matrix product."""
    s, look = made.settings, made.look
    items = min(s.items, len(made.split.test))
    guided = s.guided * sum(bool(p.guidance) for p in made.constitution.principles) * look.chats
    answers = s.prompts * (s.samples + guided) + s.unbiased * swayed(made)
    sampled = (answers + s.held_prompts * (s.evaluations + 1) + 3 * items) * s.max_tokens + 64 * s.prompts
    trained = s.steps * s.batch * (3 * s.max_tokens + 64)
    asked = {"judge": 0, "measure": 0}
    for role in made.roles.values():
        if role.trains == "judge":
            asked["judge"] += answers + s.held_prompts * (s.evaluations + 1)
        if role.measures in asked:
            asked[role.measures] += 2 * items + s.held_prompts * (s.evaluations + 1)
    read_s = 2 * look.parameters / flops_a_second()
    cpu_s = START_S + (sampled + trained) * (read_s + look.layers * LAYER_S) + 2 * trained * read_s
    return Forecast(sampled, trained, sum(asked.values()), cpu_s, memory_mib(look, s))


def swayed(made: Ready) -> int:
    """Prompts in which the user states an opinion: they are also asked without it."""
    asked = [row.data["prompt"] for row in made.split.train]
    return sum(neutralise(prompt) != prompt for prompt in asked)


def memory_mib(look: Glance, settings: Settings) -> float:
    """Two copies of the weights, gradients and Adam's moments of what trains, and the cache of a batch."""
    weights = 4 * look.parameters / 2**20
    trains = 0.02 * weights if settings.lora_rank else weights
    cache = look.cache_bytes * 65_536 / 2**20
    return START_MIB + 2 * weights + 5 * trains + cache


@cache
def flops_a_second() -> float:
    """Float32 speed of a core, on a small product: a tenth of a second of trying, once a process (a plan asks some
    hundred times). Other processes do not count."""
    import torch

    a_DD = torch.ones(256, 256)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # threads that wait for each other would count as work
    try:
        start, done = time.thread_time(), 0
        while time.thread_time() - start < 0.1:
            a_DD @ a_DD
            done += 1
        return done * 2 * 256**3 / (time.thread_time() - start)
    finally:
        torch.set_num_threads(threads)


def description(made: Ready, place: str) -> str:
    """What `--dry-run` prints; `place` says where it would write."""
    s, split, look, told = made.settings, made.split, made.look, forecast(made)
    rows = [
        ("model", f"{look.name}, {look.parameters:,} parameters, {_way(look)}"),
        ("constitution", made.constitution.label),
        ("prompts", _prompts(made)),
        ("", f"{len(split.train)} train, {len(split.watched)} watch the training, {len(split.test)} measure"),
    ]
    for name, role in made.roles.items():
        by = f"{WORDS[role.measures]} {role.named}".strip()
        rows.append(("principle", f"{name}: trained by {WORDS[role.trains]}, measured by {by}"))
    weights = f"adapters of rank {s.lora_rank}" if s.lora_rank else "all weights"
    rows += [
        ("answers", _answers(made)),
        (
            "training",
            f"{s.objective}, {weights}, {s.steps} steps of {s.batch} pairs, learning rate {s.lr:.1e}",
        ),
        (
            "human text",
            f"{len(made.human)} texts" if made.human else "none: no surprise at human text is measured",
        ),
    ]
    if told.requests:
        rows.append(("requests", f"about {told.requests:,}{_budget(made)}"))
    rows += [
        ("time", f"about {duration(told.cpu_s)} of one core ({told.sampled:,} tokens to sample)"),
        ("memory", f"about {told.memory_mib / 1024:.1f} GiB"),
        ("would write", place),
    ]
    return "\n".join(f"{name:<13} {text}" for name, text in rows)


def _way(look: Glance) -> str:
    if not look.chats:
        return "no chat template: prompts are continued as text"
    return "chat template" + ("" if look.keeps_system else " without a system turn")


def _answers(made: Ready) -> str:
    s, opined = made.settings, swayed(made)
    guides = sum(bool(p.guidance) for p in made.constitution.principles) * made.look.chats
    told = f"{s.samples} to each prompt"
    if s.guided and guides:
        told += f", {s.guided} more under the guidance of each principle that has some ({guides})"
    if s.unbiased and opined:
        told += f", {s.unbiased} more to each of {opined} without the user's opinion"
    return f"{told}, at most {s.max_tokens} tokens"


def _prompts(made: Ready) -> str:
    left = ", ".join(f"{n} {reason}" for reason, n in made.split.dropped.items())
    return f"{made.own.prompts}" + (f" ({left}: left out)" if left else "")


def _budget(made: Ready) -> str:
    most = made.own.max_requests
    return f", and --max-requests allows {most:,} to each endpoint" if most else ""
