"""Training a reward model with one objective of score heads, on the shared pairs; it then chooses among answers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from truenorth.gallery.kinds.objective import configured
from truenorth.gallery.making import Making
from truenorth.gallery.presets import Preset
from truenorth.learn import Example, Task, fit
from truenorth.learn.coupling import needs
from truenorth.learn.reward import choose_pad, open_reward, pair_examples, save
from truenorth.records import Row

GOOD, MUCH = 0.5, 0.75  # a score below is an answer that breaks a principle; a gap above is a grade of 2


def reward(preset: Preset, making: Making, made: Mapping[str, Path], folder: Path) -> None:
    """Train on pairs (or on both answers of each, where the objective rates one at a time), and save."""
    settings, learn = making.settings, configured(preset)
    need = needs(learn)
    judge = open_reward(making.model, seed=settings.seed)
    examples = pair_examples(judge, [_row(row, need.columns) for row in making.stock.pairs])
    choose_pad(judge, [[*e.prompt, *c] for e in examples for c in e.completions])
    if need.coupling == "score":
        examples = [
            one for row, e in zip(making.stock.pairs, examples, strict=True) for one in _rated(row, e)
        ]
    steps, lr = preset.steps or settings.steps, preset.lr or settings.lr
    fit(
        judge, [Task("reward", examples, learn, batch=settings.batch)], steps=steps, lr=lr, seed=settings.seed
    )
    save(judge, folder)


def _row(row: Row, columns: tuple[str, ...]) -> dict[str, Any]:
    """A pair with the columns that the objective asks for."""
    gap = row.data["score_chosen"] - row.data["score_rejected"]
    known = {
        "margin": gap,
        "grade": 2.0 if gap >= MUCH else 1.0,
        "unsafe": [float(row.data[f"score_{side}"] < GOOD) for side in ("chosen", "rejected")],
    }
    told = {name: row.data[name] for name in ("prompt", "chosen", "rejected")}
    return told | {name: known[name] for name in columns if name in known}


def _rated(row: Row, pair: Example) -> list[Example]:
    """Both answers on their own, each with its score."""
    scores = row.data["score_chosen"], row.data["score_rejected"]
    return [
        Example(pair.prompt, (text,), columns={"ratings": s}) for text, s in zip(pair.completions, scores)
    ]
