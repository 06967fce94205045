"""Training on chosen answers, anchored and watched: a second judge, KL and length say where to stop."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from truenorth.base import UserError, write_bytes, write_json
from truenorth.judges import Judge
from truenorth.learn import Example, Lora, Task, fit
from truenorth.learn.coupling import load_objective, needs
from truenorth.learn.objectives.dpo import dpo
from truenorth.learn.paraphrases import coin_tasks
from truenorth.models.encoding import Pair
from truenorth.models.local import LocalModel
from truenorth.recipes.settings import Settings
from truenorth.records import Group, Prompt, Row
from truenorth.stats import mean

COIN = "coin"  # learns from two wordings of a request, not from pairs of answers


class Watch(NamedTuple):
    """What watches a training: prompts it does not train on, the judge it trains on, and one it does not."""

    prompts: Sequence[Prompt]
    proxy: Judge
    second: Judge
    reference: LocalModel


class Point(NamedTuple):
    """One look at the policy: proxy and second judge in [0, 1], KL in nats an answer, length in characters."""

    step: int
    proxy: tuple[float, float, float]
    second: tuple[float, float, float]
    kl: float
    length: float


def tasks_of(model: LocalModel, data: Sequence[Row], texts: Sequence[str], settings: Settings) -> list[Task]:
    """The pairs with their objective, and the KL anchors on answers to keep and on the model's own documents."""
    pairs = [row for row in data if row.data["use"] == "pair"]
    keeps = [row for row in data if row.data["use"] == "keep"]
    if settings.objective == COIN:
        worded = [{k: row.data[k] for k in ("prompt", "paraphrase", "completion")} for row in pairs]
        tasks = coin_tasks(model, worded, batch=settings.batch)
        return tasks + anchors(model, keeps, texts, settings)
    tasks = [
        Task(
            "pairs",
            encoded(model, pairs, settings.objective != "sft"),
            objective(settings),
            batch=settings.batch,
        )
    ]
    return tasks + anchors(model, keeps, texts, settings)


def anchors(model: LocalModel, keeps: Sequence[Row], texts: Sequence[str], settings: Settings) -> list[Task]:
    """The KL anchors alone: on answers to keep, and on the model's own documents."""
    tasks = []
    if keeps and settings.keep:
        tasks.append(Task("keep", encoded(model, keeps, False), "kl_anchor", settings.keep, settings.batch))
    if texts and settings.documents:
        ids = [model.encode_prompt(text) for text in texts]
        whole = [Example(row[:1], (row[1:],)) for row in ids if len(row) > 2]
        tasks.append(Task("documents", whole, "kl_anchor", settings.documents, settings.batch))
    return tasks


def objective(settings: Settings) -> Any:
    """What the pairs are learned with: imitation, DPO with some imitation beside it, or another objective of pairs.

    Raises:
        UserError: one of another kind, or one that asks for columns which pairs do not have.
    """
    if settings.objective == "sft":
        return "sft"
    if settings.objective == "dpo":
        return partial(dpo, beta=settings.beta, sft=settings.sft)
    found = load_objective(settings.objective)
    need = needs(found)
    if need.coupling != "pair" or set(need.columns) - set(need.optional) or need.models:
        what = f"objective {settings.objective!r} does not learn from pairs alone"
        raise UserError(what, where="settings", expected="sft, dpo, ipo, hinge or another one of pairs")
    return found


def encoded(model: LocalModel, rows: Sequence[Row], paired: bool) -> list[Example]:
    """Rows as token ids: the chosen answer, and the rejected one where the objective wants it."""
    chosen = tokens(model, rows, "chosen")
    if not paired:
        return [Example(p, (c,)) for p, c in chosen]
    rejected = tokens(model, rows, "rejected")
    return [Example(p, (c, r)) for (p, c), (_, r) in zip(chosen, rejected, strict=True)]


def tokens(model: LocalModel, rows: Sequence[Row], side: str) -> list[Pair]:
    """Prompt and answer of one side; an answer that was cut has no end-of-text token to learn."""
    texts = [(r.data["prompt"], r.data[side]) for r in rows]
    ended = model.encode_pairs(texts)
    if not any(r.data.get(f"cut_{side}") for r in rows):
        return ended
    cut = model.encode_pairs(texts, end=False)
    return [c if r.data.get(f"cut_{side}") else e for r, c, e in zip(rows, cut, ended, strict=True)]


def look(policy: LocalModel, watch: Watch, step: int, settings: Settings) -> Point:
    """One look at the policy on the held prompts, one answer each."""
    answers = policy.sample(watch.prompts, 1, max_tokens=settings.max_tokens, seed=settings.seed + 1)
    texts = [group[0].text for group in answers]
    groups = [Group(p, [t]) for p, t in zip(watch.prompts, texts, strict=True)]
    proxy, second = (_estimate(judge, groups) for judge in (watch.proxy, watch.second))
    pairs = [(p, t) for p, t in zip(watch.prompts, texts, strict=True) if t]
    new, old = policy.logprobs(pairs), watch.reference.logprobs(pairs)
    kl = sum(a.total - b.total for a, b in zip(new, old, strict=True)) / max(1, len(pairs))
    return Point(step, proxy, second, kl, sum(map(len, texts)) / max(1, len(texts)))


def _estimate(judge: Judge, groups: Sequence[Group]) -> tuple[float, float, float]:
    scores = [j[0].score for j in judge.judge(groups)]
    found = mean([s for s in scores if s is not None], abstained=sum(s is None for s in scores))
    return found.mean, found.low, found.high


def peak(points: Sequence[Point]) -> Point:
    """The last look that the second judge does not find clearly worse than its best one: their intervals meet.

    What follows a real fall of the second judge is over-optimisation and is not kept; noise stops nothing, nor does a
    look at which that judge was silent.
    """
    best = max(points, key=lambda point: -math.inf if math.isnan(point.second[0]) else point.second[0])
    return max((p for p in points if p.second[2] >= best.second[1]), key=lambda point: point.step)


def train(
    policy: LocalModel,
    tasks: Sequence[Task],
    watch: Watch,
    settings: Settings,
    *,
    scratch: Path,
    on_step: Callable[[dict[str, float]], None],
) -> list[Point]:
    """Train `policy` in place, and leave it with the weights of the peak. Killed, it resumes to the same bits."""
    from safetensors.torch import load_file, save

    every = max(1, settings.steps // settings.evaluations)
    lora = Lora(rank=settings.lora_rank, alpha=2 * settings.lora_rank) if settings.lora_rank else None
    start = scratch / "point-0.json"
    if not start.exists():
        write_json(start, look(policy, watch, 0, settings))

    def after(numbers: dict[str, float]) -> None:
        step = int(numbers["step"])
        if step % every == 0 or step == settings.steps:
            weights = {k: v.detach().clone() for k, v in trained(policy).items()}
            write_bytes(scratch / f"weights-{step}.safetensors", save(weights))
            write_json(scratch / f"point-{step}.json", look(policy, watch, step, settings))
        on_step(numbers)

    result = fit(
        policy,
        tasks,
        steps=settings.steps,
        lr=settings.lr,
        seed=settings.seed,
        lora=lora,
        checkpoint=scratch / "fit",
        every=every,
        on_step=after,
    )
    points = [Point(*json.loads(f.read_text())) for f in scratch.glob("point-*.json")]
    points.sort(key=lambda p: p.step)
    best = peak(points[1:])
    kept = load_file(scratch / f"weights-{best.step}.safetensors")
    for name, tensor in trained(policy).items():
        tensor.data.copy_(kept[name])
    policy.module = result.adapter or policy.module  # LoRA: what is saved is the adapter
    return points


def trained(policy: LocalModel) -> dict[str, Any]:
    """The tensors that training changes, each once (a tied head is its embedding)."""
    return {name: p for name, p in policy.module.named_parameters() if p.requires_grad}
