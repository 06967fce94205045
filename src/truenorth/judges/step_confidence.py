"""A process reward model from few labels: how likely a model, unchanged, finds a step tells how likely it is right.

Three numbers of each step (the sum and the least of its tokens' log-probabilities, and that of its last token) go
through a logistic head, fitted on labelled steps. `StepReward` trains a whole model instead, and needs more labels.

Sources: Lightman et al. 2023 (arXiv:2305.20050) for process rewards; Kadavath et al. 2022 (arXiv:2207.05221), language
models know how sure they can be. The head is ours.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from scipy.special import expit

from truenorth.base import UserError, write_json
from truenorth.judges._head import Floats, logistic, scaling
from truenorth.judges.critic import Over, Steps, over_steps
from truenorth.judges.step_reward import split, stepped
from truenorth.records import Group, Judgement, Prompt

META = "truenorth_step_confidence.json"
LEAST = 8  # labelled steps
STRENGTH = 1.0  # of the L2 penalty


@dataclass(frozen=True)
class StepConfidence:
    """Scores an answer by its steps: by the lowest probability of being right, or another of `over`.

    Args:
        model: gives likelihoods; it is not changed.
        weight: of the three scaled numbers, and a bias. mean, spread: of each number among the steps fitted on.
        separator: a pattern between two steps; the step before it ends with it.
    """

    model: Any
    weight: tuple[float, ...]
    mean: tuple[float, ...]
    spread: tuple[float, ...]
    separator: str = r"\n+"
    over: Over = "lowest"
    name: str = "step confidence"
    alone: ClassVar[bool] = True

    @classmethod
    def fit(
        cls,
        model: Any,
        prompts: Sequence[Prompt],
        steps: Sequence[Sequence[str]],
        labels: Sequence[Sequence[float]],
        **settings: Any,
    ) -> StepConfidence:
        """Of solutions in steps, and each step's label in [0, 1] (a verdict, or a share of rollouts).

        Raises:
            UserError: too few steps, or labels that are all the same.
        """
        target_N = np.array([label for row in labels for label in row], dtype=np.float64)
        if len(target_N) < LEAST or target_N.min() == target_N.max():
            what = (
                f"{len(target_N)} labelled steps, from {target_N.min(initial=1)} to {target_N.max(initial=0)}"
            )
            raise UserError(what, where="step confidence", expected=f"at least {LEAST}, right and wrong ones")
        x_NF = np.concatenate(features(model, prompts, steps))
        scaled = scaling(x_NF)
        weight_F, bias = logistic((x_NF - scaled.mean_D) / scaled.std_D, target_N, STRENGTH)
        weight = tuple(np.append(weight_F, bias).tolist())
        return cls(
            model,
            weight=weight,
            mean=tuple(scaled.mean_D.tolist()),
            spread=tuple(scaled.std_D.tolist()),
            **settings,
        )

    def steps(self, prompts: Sequence[Prompt], answers: Sequence[str]) -> list[Steps]:
        """Each answer's steps with their probabilities of being right."""
        cut = [split(answer, self.separator) for answer in answers]
        spoken = [i for i, parts in enumerate(cut) if parts]
        found = dict(
            zip(spoken, features(self.model, [prompts[i] for i in spoken], [cut[i] for i in spoken]))
        )
        return [
            Steps([step.strip() for step in parts], self._right(found[i]) if parts else [])
            for i, parts in enumerate(cut)
        ]

    def _right(self, x_SF: Floats) -> list[float | None]:
        scaled_SF = (x_SF - np.array(self.mean)) / np.array(self.spread)
        return expit(scaled_SF @ np.array(self.weight[:-1]) + self.weight[-1]).tolist()

    def judge(self, groups: Sequence[Group]) -> list[list[Judgement]]:
        """A judgement per completion; `parts` has every step's."""
        rows = [(g.prompt, c) for g in groups for c in g.completions]
        found = iter(self.steps([p for p, _ in rows], [c for _, c in rows]))
        return [[over_steps(next(found), self.over, self.name) for _ in g.completions] for g in groups]

    def save(self, folder: str | Path) -> Path:
        """Write the head; the model itself is not copied."""
        told = {k: getattr(self, k) for k in ("weight", "mean", "spread", "separator", "over", "name")}
        return write_json(Path(folder) / META, told).parent

    @classmethod
    def load(cls, folder: str | Path, *, model: Any) -> StepConfidence:
        """A saved head on the model that it was fitted on."""
        told = json.loads((Path(folder) / META).read_text())
        weight, mean, spread = (tuple(told.pop(k)) for k in ("weight", "mean", "spread"))
        return cls(model, weight, mean, spread, **told)


def features(model: Any, prompts: Sequence[Prompt], steps: Sequence[Sequence[str]]) -> list[Floats]:
    """(steps, 3) for each solution: sum, least and last of the log-probabilities of each step's tokens, nats."""
    if not prompts:
        return []
    pairs = [(prompt, "".join(parts)) for prompt, parts in zip(prompts, steps, strict=True)]
    scored = model.continuation_logprobs(pairs)
    found = []
    for (prompt, _), parts, tokens in zip(pairs, steps, scored, strict=True):
        ends = stepped(model.tokenizer, prompt, parts).ends
        each = [np.array(tokens[a : b + 1]) for a, b in zip([0, *(e + 1 for e in ends)], ends)]
        found.append(np.array([[x.sum(), x.min(), x[-1]] for x in each]))
    return found
