"""What a cell is measured by: its own model, or the base model's best of four answers where the cell is a judge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from truenorth.gallery.kinds.principled import asked_under
from truenorth.gallery.presets import Preset
from truenorth.judges import Judge
from truenorth.judges.classifier import ClassifierJudge
from truenorth.learn.principles import PrincipledJudge
from truenorth.models.local import LocalModel
from truenorth.records import Completion, Group, Prompt

ANSWERS = 4


@dataclass(frozen=True)
class BestOf:
    """The answer among four that a reward model scores highest; of the first of them where it scores none.

    Args:
        lowest: it scores costs: the least is best.
    """

    model: LocalModel
    judge: Judge
    lowest: bool = False

    @property
    def name(self) -> str:
        return f"best of {ANSWERS} of {self.model.name} by {self.judge.name}"

    def sample(self, prompts: Sequence[Prompt], n: int = 1, **how: Any) -> list[list[Completion]]:
        """One answer a prompt, as evaluating asks for. Greedy answers are all alike, so nothing is chosen."""
        if how.get("temperature") == 0.0:
            return self.model.sample(prompts, n, **how)
        drawn = self.model.sample(prompts, ANSWERS, **how)
        judged = self.judge.judge(
            [Group(p, [c.text for c in four]) for p, four in zip(prompts, drawn, strict=True)]
        )
        sign = -1.0 if self.lowest else 1.0
        found = []
        for four, judgements in zip(drawn, judged, strict=True):
            known = [(sign * j.score, -i) for i, j in enumerate(judgements) if j.score is not None]
            found.append([four[-max(known)[1]] if known else four[0]])
        return found


def opened(preset: Preset, weights: Path, base: Path) -> Any:
    """The model that answers for a cell."""
    if preset.kind == "reward":
        return BestOf(LocalModel.load(base), ClassifierJudge.load(weights), lowest=preset.method == "cost")
    if preset.kind == "principled":
        shown = asked_under(**preset.settings)
        return BestOf(LocalModel.load(base), PrincipledJudge(ClassifierJudge.load(weights), shown))
    return LocalModel.load(weights)
