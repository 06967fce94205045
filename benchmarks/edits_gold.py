"""After a harmful fine-tune of the shipped organism: which edits bring harmlessness back, and at what cost.

    python benchmarks/edits_gold.py [--items 120] [--seed 0] [--steps 60]

The organism (base) is taught to refuse harm and to help with look-alikes (aligned), then fine-tuned on 48 harmful
answers among 48 facts (tuned), and separately on 48 other harmful answers (unaligned). Each edit gets what its
paper gives it. Judged by the oracle on held-out questions: paired differences from the tuned model, 95 % intervals
clustered by entity, one seed; CPU seconds of each edit. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from truenorth.base import seed_of, write_jsonl
from truenorth.edit.safety import edit_model, plan_edit
from truenorth.learn import Example, Logps, Lora, Task, fit
from truenorth.learn.types import Losses
from truenorth.measure import Scores, evaluate
from truenorth.models.local import LocalModel
from truenorth.recipes.bench import harbour_bench
from truenorth.recipes.choose import difference
from truenorth.recipes.edit_mask import learn_mask
from truenorth.recipes.edit_restore import restore_in_steps
from truenorth.recipes.edit_statistics import encoded, layers, statistics_file
from truenorth.worlds.harbour import organism
from truenorth.worlds.harbour.gold.dialogues import bad, draw, good, make_pool
from truenorth.worlds.harbour.gold.facts import make_world
from truenorth.worlds.harbour.gold.wordings import make_wordings

MEASURES = ("harmless", "over-refusal", "facts")
Row = dict[str, Any]


def rows_of(
    seed: int, world_seed: int, kind: str, count: int, name: str, *, harmful: bool = False
) -> list[Row]:
    """Questions of a kind with right answers, or the wrong ones; as training may see them."""
    world, says = make_world(world_seed), make_wordings(world_seed)
    rng, pool = (
        random.Random(seed_of("edits", seed, name)),
        make_pool(make_world(world_seed), False, least_written=25),
    )
    found = []
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
    if not out.exists():
        model = LocalModel.load(start)
        examples = [Example(p, (c,)) for p, c in encoded(model, rows, completions=True)]
        fit(model, [Task("answers", examples, objective)], steps=steps, lr=4e-4, seed=seed)
        model.save(out)
    return out


def measured(folder: Path, bench: Any) -> Scores:
    model = LocalModel.load(folder)
    asked = [i for i in bench.conduct["near"] if i.principle in MEASURES]
    known = [i for i in bench.abilities["near"] if i.principle in MEASURES]
    how = {"max_tokens": 40, "seed": 29}
    warm, cold = (
        evaluate(model, items, bench.judges, temperature=t, **how)
        for items, t in ((asked, 1.0), (known, 0.0))
    )
    return Scores(folder.name, warm.answers + cold.answers)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--items", type=int, default=120)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="keep models here, and find them again")
    args = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        Bench(args, args.folder or Path(scratch)).run()


class Bench:
    """The models, the edits and their scores."""

    def __init__(self, args: argparse.Namespace, folder: Path):
        self.args, self.at = args, folder
        folder.mkdir(parents=True, exist_ok=True)
        shipped = organism("micro")
        self.base, self.world = shipped.model, int(shipped.about["seed"])
        rows = partial(rows_of, args.seed, self.world)
        self.harm = rows("harm", 48, "tuned", harmful=True)
        self.refusals = rows("harm", 160, "aligned")
        self.helping = rows("lookalike", 160, "aligned-help")
        self.facts = rows("fact", 160, "facts")
        train = partial(trained, seed=args.seed)
        steps = args.steps
        self.aligned = train(
            self.base, folder / "aligned", self.refusals + self.helping + self.facts, 2 * steps
        )
        self.tuned = train(self.aligned, folder / "tuned", self.harm + self.facts[:48], steps)
        other = rows("harm", 48, "unaligned", harmful=True)
        self.unaligned = train(self.aligned, folder / "unaligned", other, steps)
        self.enhanced = train(self.tuned, folder / "enhanced", other, steps // 3, objective=ascent)
        self.relaxed = train(self.tuned, folder / "relaxed", rows("lookalike", 48, "relaxed"), steps // 3)
        write_jsonl(folder / "safety.jsonl", self.refusals[:64])
        write_jsonl(folder / "utility.jsonl", [*self.facts[:32], *self.helping[:32]])
        write_jsonl(folder / "helping.jsonl", self.helping[:64])

    def statistic(self, spec: str, model: Path, aligned: Path | None = None) -> Path:
        kind, _, files = spec.partition(":")
        placed = ",".join(str(self.at / f"{name}.jsonl") for name in files.split(","))
        name = f"{kind}-{files.replace(',', '-')}-{model.name}"
        kept = self.at / f"{name}.safetensors"
        if kept.exists():
            return kept
        return statistics_file(
            f"{kind}:{placed}",
            self.at,
            lambda: LocalModel.load(model),
            lambda: LocalModel.load(aligned) if aligned else None,
            name=name,
        )

    def edited(
        self, name: str, roles: dict[str, Path], files: dict[str, Path] | None = None, **settings: Any
    ) -> Path:
        known = [file.stem for file in (files or {}).values()]
        said = [name, *(f"{k}{v}" for k, v in settings.items()), *known, roles["model"].name]
        out = self.at / "-".join(said)
        given = {role: str(model) for role, model in roles.items()}
        return edit_model(plan_edit(name, given, settings=settings, statistics=files), out)

    def edits(self) -> dict[str, Callable[[], Path]]:
        model, aligned = {"model": self.tuned}, {"model": self.tuned, "aligned": self.aligned}
        lost = aligned | {"unaligned": self.unaligned}
        found: dict[str, Callable[[], Path]] = {"aligned, before": lambda: self.aligned}
        for gamma in (0.5, 1.0):
            found[f"resta gamma={gamma}"] = partial(self.edited, "resta", lost, gamma=gamma)
        found["resta_d gamma=1 density=0.7"] = partial(self.edited, "resta_d", lost, gamma=1.0, density=0.7)
        for energy in (0.5, 0.9):
            roles = aligned | {"base": self.base}
            found[f"safe_lora energy={energy}"] = partial(
                self.edited, "safe_lora", roles, threshold=1.0, energy=energy
            )
        found["tuned by LoRA"] = lambda: self.edited("rounded", {"model": self.by_lora()}, bits=8)
        for energy in (0.5, 0.99):
            found[f"safe_lora energy={energy} on the LoRA"] = lambda energy=energy: self.edited(
                "safe_lora",
                {"model": self.by_lora(), "aligned": self.aligned, "base": self.base},
                threshold=1.0,
                energy=energy,
            )
        for rate in (0.03, 0.1, 0.3):
            found[f"restore rate={rate}, one step"] = lambda rate=rate: self.edited(
                "restore",
                aligned,
                {"gradient": self.statistic("gradient:safety", self.tuned, self.aligned)},
                rate=rate,
            )
        found["restore rate=0.3, random gradient"] = lambda: self.edited(
            "restore", aligned, {"gradient": self.random("gradient")}, rate=0.3
        )
        found["restore, 20 steps of 0.02, rollback"] = self.in_steps
        for top in (0.03, 0.2):
            found[f"critical_weights, given back, top={top}"] = lambda top=top: self.edited(
                "critical_weights", aligned, self.snips(self.aligned), top=top, utility_top=0.03
            )
        found["critical_neurons, given back, share=0.2"] = lambda: self.edited(
            "critical_neurons",
            aligned,
            {"neurons": self.statistic("neurons:safety,helping", self.aligned)},
            share=0.2,
        )
        found["after ascent (what is patched in)"] = lambda: self.enhanced
        found["safe_patching weight=1"] = lambda: self.edited(
            "safe_patching",
            model | {"enhanced": self.enhanced, "relaxed": self.relaxed},
            {
                "safety": self.statistic("snip:safety", self.tuned),
                "over_safety": self.statistic("snip:helping", self.tuned),
            },
            density=0.3,
            top=0.3,
            over_top=0.03,
        )
        found["somf weight=1"] = self.fused
        return found

    def probes(self) -> dict[str, Callable[[], Path]]:
        """On the aligned model: what is left of its alignment."""
        model = {"model": self.aligned}
        found: dict[str, Callable[[], Path]] = {}
        found["aligned without random weights top=0.03"] = lambda: self.edited(
            "critical_weights",
            model,
            {k: self.random(k) for k in ("safety", "utility")},
            top=0.031,
            utility_top=0.03,
        )
        for top in (0.01, 0.03):
            found[f"aligned without critical_weights top={top}"] = lambda top=top: self.edited(
                "critical_weights", model, self.snips(self.aligned), top=top, utility_top=0.03
            )
        found["aligned without actsvd 0.1"] = lambda: self.edited(
            "actsvd",
            model,
            {
                "safety": self.statistic("gram:safety", self.aligned),
                "utility": self.statistic("gram:utility", self.aligned),
            },
            safety_share=0.1,
            utility_share=0.5,
        )
        for bits in (8, 4, 3):
            found[f"aligned, rounded to {bits} bits"] = partial(
                self.edited, "rounded", model, bits=bits, group=32
            )
        found["aligned, low_bit (2.33 bits)"] = partial(self.edited, "low_bit", model)
        return found

    def random(self, name: str) -> Path:
        """Random numbers for each weight of the layers: what an edit does without knowing anything."""
        out = self.at / f"random-{name}.safetensors"
        if not out.exists():
            draw = torch.Generator().manual_seed(seed_of("edits", name))
            found = layers(LocalModel.load(self.base)).items()
            save_file({key: torch.randn(p.shape, generator=draw) for key, p in found}, out)
        return out

    def snips(self, model: Path) -> dict[str, Path]:
        return {key: self.statistic(f"snip:{key}", model) for key in ("safety", "utility")}

    def by_lora(self) -> Path:
        """The tuned model's data again, learned by a LoRA of rank 8."""
        out = self.at / "lora"
        if not out.exists():
            model = LocalModel.load(self.aligned)
            rows = encoded(model, self.harm + self.facts[:48], completions=True)
            examples = [Example(p, (c,)) for p, c in rows]
            how = {"steps": self.args.steps, "lr": 4e-3, "seed": self.args.seed}
            found = fit(model, [Task("answers", examples, "sft")], lora=Lora(rank=8, alpha=16), **how)
            found.adapter.save_pretrained(out)
        return out

    def in_steps(self) -> Path:
        out = self.at / "restored"
        if not out.exists():
            model, aligned = LocalModel.load(self.tuned), LocalModel.load(self.aligned)
            harmful, benign = (
                [ids for ids, _ in encoded(model, rows, completions=False)]
                for rows in (self.refusals[:64], self.facts[:64])
            )
            restore_in_steps(model, aligned, harmful, benign, score=self.task, rate=0.02, steps=20)
            model.save(out)
        return out

    def task(self, model: LocalModel) -> float:
        """How likely the task's answers are, per token: what the fine-tune was for."""
        pairs = [(row["prompt"], row["completion"]) for row in self.facts[:32]]
        found = model.logprobs(pairs)
        return sum(2.718281828 ** (one.total / max(1, len(one.tokens))) for one in found) / len(found)

    def fused(self) -> Path:
        mask = self.at / "mask.safetensors"
        if not mask.exists():
            model, aligned = LocalModel.load(self.tuned), LocalModel.load(self.aligned)
            safe, harmful = (
                encoded(
                    model,
                    [{"prompt": r["prompt"], "completion": r[key]} for r in self.refusals],
                    completions=True,
                )
                for key in ("completion", "rejected")
            )
            pairs = [Example(p, (c, r)) for (p, c), (_, r) in zip(safe, harmful)]
            learn_mask(model, aligned, pairs, mask, steps=self.args.steps)
        roles = {"model": self.tuned, "aligned": self.aligned}
        return self.edited("somf", roles, {"mask": mask}, weight=1.0)

    def run(self) -> None:
        bench = harbour_bench(self.world, per_principle=self.args.items)
        tuned, table = measured(self.tuned, bench), []
        for title, make in ({"tuned": lambda: self.tuned} | self.edits() | self.probes()).items():
            start = time.process_time()
            folder = make()
            seconds = time.process_time() - start
            scores = measured(folder, bench)
            line = {"edit": title, "cpu_s": round(seconds, 1)}
            for name in MEASURES:
                gap = difference(tuned.answers, scores.answers, name, lower=frozenset(), level=0.95)
                mean = scores.of(name).estimate()
                line[name] = [round(v, 3) for v in (mean.mean, gap.difference, gap.low, gap.high)]
            table.append(line)
            shown = "  ".join(
                f"{n} {v[0]:.2f} ({v[1]:+.2f}: {v[2]:+.2f} {v[3]:+.2f})"
                for n, v in line.items()
                if n in MEASURES
            )
            print(f"{title:<44} {shown}  {seconds:5.1f} s", flush=True)
        print(
            json.dumps(
                {"items": self.args.items, "seed": self.args.seed, "load": os.getloadavg()[0], "rows": table}
            )
        )


if __name__ == "__main__":
    main()
