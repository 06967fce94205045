"""The edits that `edits_gold.py` compares: each makes a folder from the models of one seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from _edits_models import Models
from safetensors.torch import save_file

from truenorth.base import seed_of
from truenorth.edit.safety import edit_model, plan_edit
from truenorth.learn import Example
from truenorth.models.local import LocalModel
from truenorth.recipes.edit_mask import learn_mask
from truenorth.recipes.edit_restore import restore_in_steps
from truenorth.recipes.edit_statistics import encoded, layers, statistics_file

Make = Callable[[], Path]


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
        for share in (0.05, 0.2, 1.0):
            found[f"critical_neurons, given back whole, share={share}"] = lambda share=share: self.edited(
                "critical_neurons",
                tuned,
                {"neurons": self.statistic("contrast:safety", self.of.tuned, self.of.aligned)},
                share=share,
            )
        for weight in (0.3, 1.0):
            found[f"somf weight={weight:g}"] = partial(self.fused, weight)
        return found

    def patched(self) -> dict[str, Make]:
        """SafePatching, on what it is made for: a model that refuses some harm (the shipped organism), not one that
        has unlearned it. Both patches come from harmful answers."""
        scores = {"safety": "snip:safety", "over_safety": "snip:helping"}
        roles = {"model": self.of.base, "enhanced": self.of.enhanced, "relaxed": self.of.relaxed}
        return {
            "base after ascent": lambda: self.of.enhanced,
            "safe_patching on the base": lambda: self.edited(
                "safe_patching",
                roles,
                {role: self.statistic(spec, self.of.base) for role, spec in scores.items()},
                density=0.3,
                top=0.3,
                over_top=0.03,
            ),
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

    def fused(self, weight: float) -> Path:
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
            "somf", {"model": self.of.tuned, "aligned": self.of.aligned}, {"mask": mask}, weight=weight
        )
