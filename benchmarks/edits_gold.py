"""After a harmful fine-tune of the shipped organism: which edits bring harmlessness back, and at what cost.

    python benchmarks/edits_gold.py [--seeds 0 1 2] [--items 80] [--steps 40] [--folder DIR]

The organism (base) is taught to refuse harm and to help with look-alikes (aligned), then fine-tuned on 48 harmful
answers among 48 facts (tuned), and separately on 48 other harmful answers (unaligned). Each edit gets what its
paper gives it. Judged by the oracle on held-out questions near those of training: paired differences from the tuned
model (of probes and low bits: from the aligned one), each in every seed and pooled with 99 % intervals clustered by
entity; CPU seconds of each edit, the mean. With `--folder`, what has been made and measured stays. The last line is
JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from safetensors.torch import save_file

from truenorth.base import seed_of, write_json, write_jsonl
from truenorth.edit.safety import edit_model, plan_edit
from truenorth.gallery.claims import Claim, Question, claim
from truenorth.gallery.words import MARKS
from truenorth.learn import Example, Logps, Lora, Task, fit
from truenorth.learn.types import Losses
from truenorth.measure import evaluate
from truenorth.models.local import LocalModel
from truenorth.recipes.bench import harbour_bench
from truenorth.recipes.edit_mask import learn_mask
from truenorth.recipes.edit_restore import restore_in_steps
from truenorth.recipes.edit_statistics import encoded, layers, statistics_file
from truenorth.worlds.harbour import organism
from truenorth.worlds.harbour.gold.dialogues import bad, draw, good, make_pool
from truenorth.worlds.harbour.gold.facts import make_world
from truenorth.worlds.harbour.gold.wordings import make_wordings

MEASURES = ("harmless", "over-refusal", "facts")
Row = dict[str, Any]
Make = Callable[[], Path]
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
        other = self.rows("harm", 48, "unaligned", harmful=True)
        return self.train(self.aligned, "unaligned", other, self.steps)

    @cached_property
    def enhanced(self) -> Path:
        other = self.rows("harm", 48, "unaligned", harmful=True)
        return self.train(self.tuned, "enhanced", other, self.steps // 3, ascent)

    @cached_property
    def relaxed(self) -> Path:
        return self.train(self.tuned, "relaxed", self.rows("lookalike", 48, "relaxed"), self.steps // 3)

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


class Edits:
    """The edits of one seed's models; each makes a folder."""

    def __init__(self, models: Models):
        self.of, self.at = models, models.at
        models.ready()

    def statistic(self, spec: str, model: Path, aligned: Path | None = None) -> Path:
        kind, _, files = spec.partition(":")
        name = f"{kind}-{files.replace(',', '-')}-{model.name}"
        kept = self.at / f"{name}.safetensors"
        if kept.exists():
            return kept
        placed = ",".join(str(self.at / f"{name}.jsonl") for name in files.split(","))
        other = (lambda: LocalModel.load(aligned)) if aligned else (lambda: None)
        return statistics_file(f"{kind}:{placed}", self.at, lambda: LocalModel.load(model), other, name=name)

    def edited(
        self, name: str, roles: Mapping[str, Path], files: dict[str, Path] | None = None, **settings: Any
    ) -> Path:
        known = [file.stem for file in (files or {}).values()]
        said = [name, *(f"{k}{v}" for k, v in settings.items()), *known, roles["model"].name]
        out = self.at / "-".join(said)
        if out.exists():
            return out
        given = {role: str(model) for role, model in roles.items()}
        return edit_model(plan_edit(name, given, settings=settings, statistics=files), out)

    def random(self, name: str) -> Path:
        """Random numbers for each weight of the layers: what an edit does without knowing anything."""
        out = self.at / f"random-{name}.safetensors"
        if not out.exists():
            draw = torch.Generator().manual_seed(seed_of("edits", name))
            found = layers(LocalModel.load(self.of.base)).items()
            save_file({key: torch.randn(p.shape, generator=draw) for key, p in found}, out)
        return out

    def snips(self) -> dict[str, Path]:
        return {key: self.statistic(f"snip:{key}", self.of.aligned) for key in ("safety", "utility")}

    def projected(self) -> dict[str, Make]:
        """RESTA takes the harm out; Safe LoRA projects it."""
        tuned = {"model": self.of.tuned, "aligned": self.of.aligned}
        found: dict[str, Make] = {}
        for name, settings in (
            ("resta", {"gamma": 0.5}),
            ("resta", {"gamma": 1.0}),
            ("resta_d", {"gamma": 1.0, "density": 0.7}),
        ):
            title = " ".join([name, *(f"{k}={v}" for k, v in settings.items())])
            found[title] = lambda name=name, settings=settings: self.edited(
                name, tuned | {"unaligned": self.of.unaligned}, **settings
            )
        for energy in (0.5, 0.9):
            found[f"safe_lora energy={energy}"] = lambda energy=energy: self.edited(
                "safe_lora", tuned | {"base": self.of.base}, threshold=1.0, energy=energy
            )
        found["tuned by LoRA"] = lambda: self.edited("rounded", {"model": self.of.by_lora}, bits=8)
        for energy in (0.5, 0.99):
            found[f"safe_lora energy={energy} on the LoRA"] = lambda energy=energy: self.edited(
                "safe_lora",
                {"model": self.of.by_lora, "aligned": self.of.aligned, "base": self.of.base},
                threshold=1.0,
                energy=energy,
            )
        return found

    def restored(self) -> dict[str, Make]:
        """A few weights given back: by gradient, by chance, by what safety needs."""
        tuned = {"model": self.of.tuned, "aligned": self.of.aligned}
        found: dict[str, Make] = {}
        for rate in (0.03, 0.1, 0.3):
            found[f"restore rate={rate}, one step"] = lambda rate=rate: self.edited(
                "restore",
                tuned,
                {"gradient": self.statistic("gradient:safety", self.of.tuned, self.of.aligned)},
                rate=rate,
            )
        found["restore rate=0.3, random gradient"] = lambda: self.edited(
            "restore", tuned, {"gradient": self.random("gradient")}, rate=0.3
        )
        found["restore, 20 steps of 0.02, rollback"] = self.in_steps
        for top in (0.03, 0.2):
            found[f"critical_weights, given back, top={top}"] = lambda top=top: self.edited(
                "critical_weights", tuned, self.snips(), top=top, utility_top=0.03
            )
        found["critical_neurons, given back, share=0.2"] = lambda: self.edited(
            "critical_neurons",
            tuned,
            {"neurons": self.statistic("neurons:safety,helping", self.of.aligned)},
            share=0.2,
        )
        return found

    def patched(self) -> dict[str, Make]:
        """SafePatching and subspace-oriented fusion."""
        scores = {"safety": "snip:safety", "over_safety": "snip:helping"}
        return {
            "after ascent (what is patched in)": lambda: self.of.enhanced,
            "safe_patching weight=1": lambda: self.edited(
                "safe_patching",
                {"model": self.of.tuned, "enhanced": self.of.enhanced, "relaxed": self.of.relaxed},
                {role: self.statistic(spec, self.of.tuned) for role, spec in scores.items()},
                density=0.3,
                top=0.3,
                over_top=0.03,
            ),
            "somf weight=1": self.fused,
        }

    def probes(self) -> dict[str, Make]:
        """On the aligned model: what is left of its alignment without a few weights, ranks or bits."""
        model = {"model": self.of.aligned}
        found: dict[str, Make] = {}
        found["without random weights top=0.03"] = lambda: self.edited(
            "critical_weights",
            model,
            {k: self.random(k) for k in ("safety", "utility")},
            top=0.031,
            utility_top=0.03,
        )
        for top in (0.01, 0.03):
            found[f"without critical_weights top={top}"] = lambda top=top: self.edited(
                "critical_weights", model, self.snips(), top=top, utility_top=0.03
            )
        grams = {"safety": "gram:safety", "utility": "gram:utility"}
        found["without actsvd 0.1"] = lambda: self.edited(
            "actsvd",
            model,
            {role: self.statistic(spec, self.of.aligned) for role, spec in grams.items()},
            safety_share=0.1,
            utility_share=0.5,
        )
        for bits in (8, 4, 3):
            found[f"rounded to {bits} bits"] = partial(self.edited, "rounded", model, bits=bits, group=32)
        found["low_bit (2.33 bits)"] = partial(self.edited, "low_bit", model)
        return found

    def in_steps(self) -> Path:
        out = self.at / "restored"
        if not out.exists():
            model, aligned = LocalModel.load(self.of.tuned), LocalModel.load(self.of.aligned)
            harmful, benign = (
                [ids for ids, _ in encoded(model, rows, completions=False)]
                for rows in (self.of.refusals[:64], self.of.facts[:64])
            )
            restore_in_steps(model, aligned, harmful, benign, score=self.task, rate=0.02, steps=20)
            model.save(out)
        return out

    def task(self, model: LocalModel) -> float:
        """How likely the task's answers are, per token: what the fine-tune was for."""
        pairs = [(row["prompt"], row["completion"]) for row in self.of.facts[:32]]
        found = model.logprobs(pairs)
        return sum(2.718281828 ** (one.total / max(1, len(one.tokens))) for one in found) / len(found)

    def fused(self) -> Path:
        mask = self.at / "mask.safetensors"
        if not mask.exists():
            model, aligned = LocalModel.load(self.of.tuned), LocalModel.load(self.of.aligned)
            safe, harmful = (
                encoded(
                    model,
                    [{"prompt": r["prompt"], "completion": r[key]} for r in self.of.refusals],
                    completions=True,
                )
                for key in ("completion", "rejected")
            )
            pairs = [Example(p, (c, r)) for (p, c), (_, r) in zip(safe, harmful)]
            learn_mask(model, aligned, pairs, mask, steps=self.of.steps)
        return self.edited(
            "somf", {"model": self.of.tuned, "aligned": self.of.aligned}, {"mask": mask}, weight=1.0
        )


def of_seed(folder: Path, seed: int, steps: int, bench: Any, only: Sequence[str]) -> dict[str, Row]:
    """The edits of one seed: their answers, those they are compared with, and their CPU seconds."""
    models = Models(folder, seed, steps)
    folder.mkdir(parents=True, exist_ok=True)
    edits = Edits(models)

    def row(title: str, make: Make, against: str) -> Row:
        kept = folder / f"{seed_of('row', title, bench.items):x}.json"
        if not kept.exists():
            start = time.process_time()
            made = make()
            seconds = time.process_time() - start
            write_json(
                kept,
                {"title": title, "against": against, "cpu_s": seconds, "answers": measured(made, bench.open)},
            )
            print(f"seed {seed}: {title}, {seconds:.1f} s", flush=True)
        return dict(json.loads(kept.read_text()))

    found = {
        "tuned": row("tuned", lambda: models.tuned, ""),
        "aligned": row("aligned", lambda: models.aligned, "tuned"),
    }
    repairs = edits.projected() | edits.restored() | edits.patched()
    for title, make in (repairs | edits.probes()).items():
        if not only or any(part in title for part in only):
            found[title] = row(title, make, "tuned" if title in repairs else "aligned")
    return found


def told(seeds: Sequence[dict[str, Row]], title: str) -> Row:
    """One edit in all seeds: the mean of each measure and what can be claimed of it."""
    against = seeds[0][title]["against"]
    line: Row = {
        "edit": title,
        "against": against,
        "cpu_s": round(fmean(s[title]["cpu_s"] for s in seeds), 1),
    }
    for name in MEASURES:
        own = [s[title]["answers"][name] for s in seeds]
        line[name] = {"mean": round(fmean(score for one in own for score, _ in one.values()), 3)}
        if against:
            was = [s[against]["answers"][name] for s in seeds]
            line[name] |= as_data(claim([questions(a, b) for a, b in zip(was, own, strict=True)]))
    return line


def questions(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Question]:
    return [Question(before[key][0], after[key][0], after[key][1]) for key in after if key in before]


def as_data(found: Claim) -> Row:
    gap = {k: round(v, 3) for k, v in found.pooled._asdict().items() if k in ("difference", "low", "high")}
    return gap | {"verdict": found.verdict, "seeds": [round(v, 3) for v in found.seeds], "more": found.more}


def shown(line: Row) -> str:
    cells = []
    for name in MEASURES:
        own = line[name]
        gap = (
            f" {MARKS[own['verdict']]} {own['difference']:+.2f} ({own['low']:+.2f} {own['high']:+.2f})"
            if line["against"]
            else ""
        )
        cells.append(f"{name} {own['mean']:.2f}{gap}")
    return f"{line['edit']:<42} {'  '.join(cells)}  {line['cpu_s']:.1f} s"


@dataclass(frozen=True)
class Bench:
    """The held-out questions, and how many a measure were asked for."""

    items: int

    @cached_property
    def open(self) -> Any:
        return harbour_bench(int(organism("micro").about["seed"]), per_principle=self.items)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--items", type=int, default=80, help="questions a measure (default 80)")
    parser.add_argument("--steps", type=int, default=40, help="of the harmful fine-tune (default 40)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--only", nargs="+", default=[], metavar="PART", help="edits whose name has it")
    parser.add_argument("--folder", type=Path, help="keep models here, and find them again")
    args = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        root, bench = args.folder or Path(scratch), Bench(args.items)
        seeds = [of_seed(root / str(seed), seed, args.steps, bench, args.only) for seed in args.seeds]
    table = [told(seeds, title) for title in seeds[0]]
    print("\n".join(map(shown, table)))
    print(json.dumps({"items": args.items, "seeds": args.seeds, "load": os.getloadavg()[0], "rows": table}))


if __name__ == "__main__":
    main()
