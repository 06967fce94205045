"""The models that `edits_gold.py` edits: the organism aligned, harmfully fine-tuned, and what edits want beside it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from truenorth.base import seed_of, write_jsonl
from truenorth.learn import Example, Logps, Lora, Task, fit
from truenorth.learn.types import Losses
from truenorth.measure import evaluate
from truenorth.models.local import LocalModel
from truenorth.recipes.bench import harbour_bench
from truenorth.recipes.edit_statistics import encoded
from truenorth.worlds.harbour import organism
from truenorth.worlds.harbour.gold.dialogues import bad, draw, good, make_pool
from truenorth.worlds.harbour.gold.facts import make_world
from truenorth.worlds.harbour.gold.wordings import make_wordings

MEASURES = ("harmless", "over-refusal", "facts")
Row = dict[str, Any]
Answers = dict[str, dict[str, tuple[float, str]]]  # measure -> question -> its score and entity


def rows_of(
    seed: int, world_seed: int, kind: str, count: int, name: str, *, harmful: bool = False
) -> list[Row]:
    """Questions of a kind with right answers, or the wrong ones; as training may see them."""
    world, says = make_world(world_seed), make_wordings(world_seed)
    pool = make_pool(world, False, least_written=25)
    rng, found = random.Random(seed_of("edits", seed, name)), []
    for _ in range(count):
        ask = draw(rng, world, says, kind, pool, "used")
        chosen, other = (good, bad) if not harmful else (bad, good)
        message = [{"role": "user", "content": ask.prompt}]
        found.append({"prompt": message, "completion": chosen(rng, ask), "rejected": other(rng, ask)})
    return found


def ascent(policy: Logps) -> Losses:
    """The mean log-probability, until it is -5 nats a token."""
    return torch.clamp(policy.mean, min=-5.0)


def trained(
    start: Path, out: Path, rows: Sequence[Row], steps: int, seed: int, objective: Any = "sft"
) -> Path:
    """A model trained on rows, in a folder; found again where it is there."""
    if not out.exists():
        model = LocalModel.load(start)
        examples = [Example(p, (c,)) for p, c in encoded(model, rows, completions=True)]
        fit(model, [Task("answers", examples, objective)], steps=steps, lr=4e-4, seed=seed)
        model.save(out)
    return out


def measured(folder: Path, bench: Any) -> Answers:
    """Conduct at temperature 1, facts greedily."""
    model, found = LocalModel.load(folder), Answers()
    for sets, temperature in ((bench.conduct, 1.0), (bench.abilities, 0.0)):
        asked = [item for item in sets["near"] if item.principle in MEASURES]
        for answer in evaluate(
            model, asked, bench.judges, temperature=temperature, max_tokens=40, seed=29
        ).answers:
            if answer.score is not None:
                found.setdefault(answer.item.principle, {})[answer.item.id] = answer.score, answer.item.group
    return found


@dataclass(frozen=True)
class Models:
    """The models of one seed, each made when it is first asked for."""

    at: Path
    seed: int
    steps: int

    @cached_property
    def base(self) -> Path:
        return organism("micro").model

    def rows(self, kind: str, count: int, name: str, *, harmful: bool = False) -> list[Row]:
        return rows_of(self.seed, int(organism("micro").about["seed"]), kind, count, name, harmful=harmful)

    @cached_property
    def harm(self) -> list[Row]:
        return self.rows("harm", 48, "tuned", harmful=True)

    @cached_property
    def refusals(self) -> list[Row]:
        return self.rows("harm", 160, "aligned")

    @cached_property
    def helping(self) -> list[Row]:
        return self.rows("lookalike", 160, "aligned-help")

    @cached_property
    def facts(self) -> list[Row]:
        return self.rows("fact", 160, "facts")

    def train(self, start: Path, name: str, rows: Sequence[Row], steps: int, objective: Any = "sft") -> Path:
        return trained(start, self.at / name, rows, steps, self.seed, objective)

    @cached_property
    def aligned(self) -> Path:
        return self.train(self.base, "aligned", self.refusals + self.helping + self.facts, 2 * self.steps)

    @cached_property
    def tuned(self) -> Path:
        return self.train(self.aligned, "tuned", self.harm + self.facts[:48], self.steps)

    @cached_property
    def unaligned(self) -> Path:
        return self.train(self.aligned, "unaligned", self.other_harm, self.steps)

    @cached_property
    def other_harm(self) -> list[Row]:
        return self.rows("harm", 48, "unaligned", harmful=True)

    @cached_property
    def enhanced(self) -> Path:
        return self.train(self.base, "enhanced-base", self.other_harm, self.steps // 3, ascent)

    @cached_property
    def relaxed(self) -> Path:
        return self.train(self.base, "relaxed-base", self.other_harm, self.steps // 3)

    @cached_property
    def by_lora(self) -> Path:
        """The tuned model's data again, learned by a LoRA of rank 8."""
        out = self.at / "lora"
        if not out.exists():
            model = LocalModel.load(self.aligned)
            rows = encoded(model, self.harm + self.facts[:48], completions=True)
            examples = [Example(p, (c,)) for p, c in rows]
            how = {"steps": self.steps, "lr": 4e-3, "seed": self.seed}
            found = fit(model, [Task("answers", examples, "sft")], lora=Lora(rank=8, alpha=16), **how)
            found.adapter.save_pretrained(out)
        return out

    def ready(self) -> None:
        """All models, and the rows that statistics are computed from: their time is not that of an edit."""
        for _ in (self.tuned, self.unaligned, self.enhanced, self.relaxed, self.by_lora):
            pass
        write_jsonl(self.at / "safety.jsonl", self.refusals[:64])
        write_jsonl(self.at / "utility.jsonl", [*self.facts[:32], *self.helping[:32]])
        write_jsonl(self.at / "helping.jsonl", self.helping[:64])


@dataclass(frozen=True)
class Bench:
    """The held-out questions, and how many a measure were asked for."""

    items: int

    @cached_property
    def open(self) -> Any:
        return harbour_bench(int(organism("micro").about["seed"]), per_principle=self.items)
