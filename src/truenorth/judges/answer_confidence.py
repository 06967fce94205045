"""A judge from labels that reads what a model makes of an answer and how likely the model itself finds it.

A linear logistic head over the states that `RewardJudge` reads and over three numbers of the answer's own likelihood.
The states alone hardly say whether a fact is told rightly; a model that knows the fact finds a wrong one unlikely.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import expit

from truenorth.base import content_hash
from truenorth.judges._features import Pooler
from truenorth.judges._head import Floats, Scaling, fit_logistic, scaling
from truenorth.judges._prompts import plain_key
from truenorth.judges._saved import check_model, read_head, save_head
from truenorth.judges._spoken import put_back, spoken
from truenorth.judges.reward import Label, check_labels
from truenorth.records import Group, Judgement, Prompt

if TYPE_CHECKING:
    from truenorth.models.local import LocalModel

FILES = "truenorth_answer_confidence"  # .json and .safetensors
META = f"{FILES}.json"
FOLDS = 4
STATES = 0.3  # length of a row of states
FAR = 3.0  # standard deviations at which a likelihood counts no further


class Reading(NamedTuple):
    """What a model makes of N answers, a row each."""

    prompt_NP: Floats
    answer_NA: Floats
    likely_N3: Floats  # sum, mean and least of the log-probabilities of the answer's tokens, nats
    keys: tuple[str, ...]  # of the prompts: rows of one prompt stay in one fold

    def rows(self, chosen: Sequence[int]) -> Reading:
        """Of some of the answers."""
        prompt_NP, answer_NA, likely_N3 = (part[chosen] for part in self[:3])
        return Reading(prompt_NP, answer_NA, likely_N3, tuple(self.keys[i] for i in chosen))


def read(
    model: LocalModel, pairs: Sequence[tuple[Prompt, str]], *, depths: Sequence[float] = (0.5, 1.0)
) -> Reading:
    """The model's reading of (prompt, answer) pairs; its weights are not changed.

    Args:
        depths: of the states that are read, as fractions of the model's depth.
    """
    states = Pooler(model, depths=depths).features([(prompt, [answer]) for prompt, answer in pairs])
    tokens = [np.array(scored.tokens) for scored in model.logprobs(pairs)]
    likely = np.array([[t.sum(), t.mean(), t.min()] for t in tokens]).reshape(-1, 3)
    return Reading(states.prompt_NP, states.answer_NA, likely, tuple(plain_key(p) for p, _ in pairs))


@dataclass(frozen=True)
class AnswerConfidence:
    """Scores an answer by its probability of a good label.

    Args:
        scalings: of the three parts of a reading. weight_F: of the scaled parts in a row.
        own: the probability of each label that it was fitted on, by a head fitted without that prompt.
    """

    model: LocalModel
    scalings: tuple[Scaling, Scaling, Scaling] = field(repr=False)
    weight_F: Floats = field(repr=False)
    bias: float
    depths: tuple[float, ...]
    name: str
    own: tuple[float, ...] = field(default=(), repr=False)

    @classmethod
    def fit(
        cls,
        model: LocalModel,
        labels: Sequence[Label],
        *,
        depths: Sequence[float] = (0.5, 1.0),
        seed: int = 0,
        reading: Reading | None = None,
    ) -> AnswerConfidence:
        """Fit on labelled answers: (prompt, answer, score in [0, 1]).

        Args:
            reading: of these answers at these depths, where the model has read them already.

        Raises:
            UserError: too few labels, all on one side, scores outside [0, 1], or empty answers.
        """
        check_labels(labels)
        found = reading or read(model, [(prompt, text) for prompt, text, _ in labels], depths=depths)
        scalings = (scaling(found.prompt_NP), scaling(found.answer_NA), scaling(found.likely_N3))
        target_N = np.array([score for *_, score in labels], dtype=np.float64)
        head = fit_logistic(scaled(found, scalings), target_N, found.keys, folds=FOLDS, seed=seed)
        told = content_hash([[k, t, float(s)] for k, (_, t, s) in zip(found.keys, labels, strict=True)], 8)
        name, own = f"confidence:{model.name}#{told}", tuple(head.out_of_fold_N.tolist())
        return cls(model, scalings, head.weight_F, head.bias, tuple(depths), name, own)

    def probability(self, reading: Reading) -> Floats:
        """(N,) probability of a good label."""
        return expit(scaled(reading, self.scalings) @ self.weight_F + self.bias)

    def judge(self, groups: Sequence[Group]) -> list[list[Judgement]]:
        """One probability per completion; none for an empty one."""
        said = spoken(groups)
        scores = self.probability(read(self.model, said, depths=self.depths)).tolist() if said else []
        return put_back(groups, (Judgement(score, self.name) for score in scores), judge=self.name)

    def save(self, folder: str | Path) -> Path:
        """Write the head (safetensors) and what it reads (JSON); the model itself is not copied."""
        arrays = {f"{k}_{i}": v for i, s in enumerate(self.scalings) for k, v in s._asdict().items()}
        arrays |= {"weight_F": self.weight_F, "bias": np.array([self.bias])}
        told = {"name": self.name, "model": self.model.name, "depths": list(self.depths)}
        return save_head(folder, FILES, told, arrays)

    @classmethod
    def load(cls, folder: str | Path, *, model: LocalModel) -> AnswerConfidence:
        """A saved head on the model that it was fitted on.

        Raises:
            UserError: the head belongs to another model, or cannot be read.
        """
        told, arrays = saved = read_head(folder, FILES)
        check_model(saved, model, folder)
        prompt, answer, likely = (Scaling(arrays[f"mean_D_{i}"], arrays[f"std_D_{i}"]) for i in range(3))
        bias, depths = float(arrays["bias"][0]), tuple(told["depths"])
        return cls(model, (prompt, answer, likely), arrays["weight_F"], bias, depths, told["name"])


def scaled(reading: Reading, scalings: tuple[Scaling, Scaling, Scaling]) -> Floats:
    """(N, P + A + 3): states as rows of length 0.3, the likelihoods each on its own scale.

    So the three numbers weigh more than all states together. Otherwise a head on a few hundred labels leans on the
    states, in which the entities are that a weak judge happens to get wrong.
    """
    prompt, answer, likely = scalings
    standard_N3 = np.clip((reading.likely_N3 - likely.mean_D) / likely.std_D, -FAR, FAR)
    states = (STATES * prompt(reading.prompt_NP), STATES * answer(reading.answer_NA))
    return np.concatenate([*states, standard_N3], axis=1)
