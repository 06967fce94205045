"""Reward models that read principles: labels for pairs under a few principles at a time, and a judge to ask.

    scores = principle_scores([LogprobJudge(model, statement=p.definition) for p in principles], rows)
    judge = fit_reward(base, conditioned(rows, principles, scores), folder="reward", steps=..., lr=...)
    PrincipledJudge(judge, ["Be honest about what you do not know."])

The label of a pair depends on which principles are shown, so a model that learns them can be asked for others later.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, Protocol

import numpy as np

from truenorth.base import UserError, seed_of
from truenorth.judges._prompts import replace_last_user
from truenorth.judges.logprob import Preference
from truenorth.judges.protocol import Judge
from truenorth.records import Group, Judgement, Prompt

TEMPLATE = "Judge the answer by these principles:\n{principles}\n\n{prompt}"
SURE = 1e-6  # shares are kept so far from 0 and 1, where their logits are finite


class Principle(NamedTuple):
    """What is asked of answers, and its opposite in words."""

    definition: str
    negative: str


class Compares(Protocol):
    """What a judge of one principle must do; `LogprobJudge` and `PairwiseJudge` do."""

    def compare(self, prompts: Sequence[Prompt], a: Sequence[str], b: Sequence[str]) -> list[Preference]: ...


def principle_scores(judges: Sequence[Compares], rows: Sequence[Mapping[str, Any]]) -> np.ndarray:
    """(P, N) how much better the first answer of each row is by each judge's principle, in logits.

    The mean of both orders where they agree, else 0, as it is where an order gave no verdict; over the principle's
    variance, so that none decides because its judge is sure of everything.

    Args:
        judges: one a principle.
        rows: `prompt` and `answers`, two of them.
    """
    prompts = [row["prompt"] for row in rows]
    first, second = ([row["answers"][i] for row in rows] for i in (0, 1))
    found = [[_score(p) for p in judge.compare(prompts, first, second)] for judge in judges]
    return scaled(np.array(found, dtype=float).reshape(len(judges), len(rows)))


def scaled(scores_PN: np.ndarray) -> np.ndarray:
    """Each principle's scores over their variance; those of one that never varies as they are."""
    variance_P = scores_PN.var(axis=1)
    return scores_PN / np.where(variance_P > 0, variance_P, 1.0)[:, None]


def _score(found: Preference) -> float:
    if found.in_order is None or found.swapped is None:
        return 0.0
    one, two = (_logit(share) for share in (found.in_order, found.swapped))
    return (one + two) / 2 if one * two > 0 else 0.0


def _logit(share: float) -> float:
    inside = min(max(share, SURE), 1 - SURE)
    return math.log(inside / (1 - inside))


def conditioned(
    rows: Sequence[Mapping[str, Any]],
    principles: Sequence[Principle],
    scores_PN: np.ndarray,
    *,
    passes: int = 4,
    share: float = 0.2,
    most: int = 8,
    negated: float = 0.5,
    noise: float = 0.1,
    seed: int = 0,
    template: str = TEMPLATE,
) -> list[dict[str, Any]]:
    """Rows of `prompt`, `chosen`, `rejected` for `fit_reward`, each under some of the principles.

    How many are shown is geometric, cut at `most`; which, is drawn without replacement. Each shown one is turned
    into its negative with chance `negated`, which flips its score. The principle with the largest score decides; a
    row whose shown scores are all 0 is left out. `decided_by` names the principle that decided.

    Args:
        rows: `prompt` and `answers`, two of them.
        passes: over the rows, with other draws.
        share: of the geometric distribution; 0.2 shows 3.4 principles on average.
        noise: share of labels that are flipped, which keeps the model from being too sure.

    Source: Sun et al. 2023, SALMON (arXiv:2310.05910), section 3.2, and IBM/SALMON,
    step1_synthetic_preference/aggregate_synthetic_preference.py. Its rules (language, "as an AI") are not here.

    Raises:
        UserError: scores of another shape than principles and rows.
    """
    if scores_PN.shape != (len(principles), len(rows)):
        raise UserError(
            f"scores of shape {scores_PN.shape}",
            where="conditioned",
            expected=f"({len(principles)}, {len(rows)}): principles and rows",
        )
    draw = np.random.default_rng(seed_of("principles", seed))
    found = []
    for _ in range(passes):
        for i, row in enumerate(rows):
            shown = draw.permutation(len(principles))[: _count(draw, share, min(most, len(principles)))]
            flip = draw.random(len(shown)) < negated
            scores = np.where(flip, -scores_PN[shown, i], scores_PN[shown, i])
            leading = int(abs(scores).argmax())
            first_wins = (scores[leading] > 0) != (draw.random() < noise)
            if scores[leading] == 0:
                continue
            texts = [principles[p].negative if f else principles[p].definition for p, f in zip(shown, flip)]
            one, two = row["answers"]
            chosen, rejected = (one, two) if first_wins else (two, one)
            prompt = with_principles(row["prompt"], texts, template=template)
            found.append(
                {"prompt": prompt, "chosen": chosen, "rejected": rejected, "decided_by": texts[leading]}
            )
    return found


def shown_chances(share: float, most: int) -> np.ndarray:
    """(most,) the chance to show 1, 2, ... principles.

    >>> shown_chances(0.2, 8).round(4).tolist()[:3]
    [0.2403, 0.1923, 0.1538]
    """
    chance = share * (1 - share) ** np.arange(most)
    return chance / chance.sum()


def _count(draw: np.random.Generator, share: float, most: int) -> int:
    return int(draw.choice(most, p=shown_chances(share, most))) + 1


def with_principles(prompt: Prompt, texts: Sequence[str], *, template: str = TEMPLATE) -> Prompt:
    """The prompt with principles before its last user turn, as training and judging write them."""
    listed = "\n".join(f"- {text}" for text in texts)
    return replace_last_user(prompt, partial(_filled, template, listed))


def _filled(template: str, listed: str, prompt: str) -> str:
    return template.replace("{principles}", listed).replace("{prompt}", prompt)


@dataclass(frozen=True)
class PrincipledJudge:
    """A reward model that was trained on `conditioned` rows, asked under these principles."""

    reward: Judge
    principles: tuple[str, ...]
    template: str = TEMPLATE

    @property
    def name(self) -> str:
        return f"{self.reward.name} under {len(self.principles)} principles"

    def judge(self, groups: Sequence[Group]) -> list[list[Judgement]]:
        """As the reward model says of the same answers with the principles in their prompts."""
        shown = [
            Group(with_principles(g.prompt, self.principles, template=self.template), g.completions)
            for g in groups
        ]
        return self.reward.judge(shown)
