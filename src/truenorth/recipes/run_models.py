"""The models and judges that steps name: the base, further ones, and those that earlier steps trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from truenorth.base import UserError
from truenorth.judges import ConsistencyJudge, Judge, RewardJudge
from truenorth.judges.answer_confidence import META as ANSWERS
from truenorth.judges.answer_confidence import AnswerConfidence
from truenorth.judges.consistency import DECLINES
from truenorth.judges.lawful import REFUSALS
from truenorth.judges.people import people_judge
from truenorth.judges.step_confidence import META as CONFIDENCE
from truenorth.judges.step_confidence import StepConfidence
from truenorth.judges.step_reward import META as STEPS
from truenorth.judges.step_reward import StepReward
from truenorth.models.glance import glance
from truenorth.models.http import HttpModel
from truenorth.models.local import LocalModel
from truenorth.models.memo import remembering
from truenorth.recipes.awaited import Awaited
from truenorth.recipes.run_budget import Kept
from truenorth.recipes.run_check import BASE, CONSISTENCY, CONSTITUTION, JUDGES, PEOPLE, SAMPLER, SELF
from truenorth.recipes.run_work import Work
from truenorth.worlds.harbour import SIZES, organism

HARBOUR = "harbour-"


@dataclass(frozen=True)
class Named:
    """A model by name, with what identifies it in the run's cache.

    Args:
        spec: "harbour-SIZE", a folder, a hub id, or "openai:MODEL" at `url`.
    """

    spec: str
    url: str = ""

    @property
    def identity(self) -> Any:
        path = self.folder
        return path if isinstance(path, Path) else [self.spec, self.url]

    @property
    def remote(self) -> bool:
        """Is it behind an endpoint?"""
        return self.spec.startswith("openai:")

    @property
    def folder(self) -> Path | str:
        """Where the weights are, for one that is not behind an endpoint."""
        if self.spec.startswith(HARBOUR):
            return organism(self.spec.removeprefix(HARBOUR)).model
        return Path(self.spec) if Path(self.spec).is_dir() else self.spec

    def check(self, where: str) -> None:
        """
        Raises:
            UserError: it names nothing that could be opened.
        """
        if self.spec.startswith(HARBOUR) and self.spec.removeprefix(HARBOUR) in SIZES:
            organism(self.spec.removeprefix(HARBOUR))
        elif self.remote:
            if not self.url:
                raise UserError("no address of the endpoint", where=where, fix="--base-url https://HOST/v1")
            HttpModel(self.url, self.spec.partition(":")[2])
        else:
            glance(self.folder)

    def open(self, cache: Path, requests: int | None) -> Any:
        """The model; an endpoint's replies are kept in `cache`, and at most `requests` are sent."""
        if not self.remote:
            return LocalModel.load(self.folder)
        return HttpModel(self.url, self.spec.partition(":")[2], cache=cache, max_requests=requests)


@dataclass
class Cast:
    """Everything that steps may name, opened when first used; of trained models only the last one stays."""

    work: Work
    named: Mapping[str, Named]
    made: dict[str, Path] = field(default_factory=dict)
    read_by: dict[str, str] = field(
        default_factory=dict
    )  # step with a judge -> the model whose states it reads
    _open: dict[str, Any] = field(default_factory=dict)

    def identity(self, name: str) -> Any:
        """What a step's output depends on when it uses the model of this name."""
        if name in self.made:
            return self.made[name]
        if name in self.named:
            return self.named[name].identity
        return self.work.job.inputs

    def model(self, name: str) -> Any:
        """The model of this name, to ask and to read."""
        if name in self.made:
            return self._trained(name)
        if name in self.named:
            return self._once(name, lambda: self._opened(name))
        return self.work.base

    def _opened(self, name: str) -> Any:
        cache = self.work.run.path / "replies" / f"{name}.sqlite"
        return remembering(self.named[name].open(cache, self.work.budget.requests))

    def _trained(self, name: str) -> Any:
        for other in [n for n in self._open if n in self.made and n != name]:
            del self._open[other]
        return self._once(name, lambda: remembering(LocalModel.load(self.made[name])))

    def _once(self, name: str, make: Callable[[], Any]) -> Any:
        if name not in self._open:
            self._open[name] = make()
        return self._open[name]

    def sampler(self, name: str) -> Any:
        """The model as sampling steps get it: what it says is kept in the step's scratch folder."""
        return Kept(self.model(name), self.work.run, self.work.budget)

    def trainable(self, name: str) -> LocalModel:
        """A copy of the model, to be trained in place."""
        if name in self.made:
            return LocalModel.load(self.made[name])
        if name in self.named:
            return LocalModel.load(self.named[name].folder)
        return self.work.job.load()

    def judge(self, name: str) -> Judge:
        """The constitution's judge, a model's rating or agreement with itself, people, or a step's reward model."""
        kind, _, of = name.partition(":")
        if kind == CONSTITUTION:
            return self.work.judges.proxy
        if kind == SELF:
            told = " ".join(p.statement for p in self.work.job.constitution.principles)
            return self.work.job.asking.judge(self.model(of or BASE), told)
        if kind == PEOPLE:
            return Awaited(people_judge(of))
        if kind == CONSISTENCY:
            return consistency(self.work, self.sampler(of or BASE))
        if (self.made[kind] / STEPS).exists():
            return StepReward.load(self.made[kind])
        model = self.model(self.read_by.get(kind, BASE))
        if (self.made[kind] / CONFIDENCE).exists():
            return StepConfidence.load(self.made[kind], model=model)
        if (self.made[kind] / ANSWERS).exists():
            return AnswerConfidence.load(self.made[kind], model=model)
        return RewardJudge.load(self.made[kind], model=model)

    def judge_identity(self, name: str) -> Any:
        kind, _, of = name.partition(":")
        if kind == CONSTITUTION:
            return [kind, self.work.label, self.work.job.inputs]
        if kind == PEOPLE:  # what they have said so far is no part of it: the step is made when they are done
            return [kind, of]
        if kind in JUDGES:
            return [kind, list(self.work.job.asking), self.identity(of or BASE)]
        return self.made[kind]


def consistency(work: Work, model: Any) -> ConsistencyJudge:
    """What a model says again and again it knows; the user's opinion is taken out of the question."""
    s = work.settings
    return ConsistencyJudge(
        model,
        m=max(s.samples, 4),
        known_at=0.5,
        unknown_at=0.3,
        max_tokens=s.max_tokens,
        seed=s.seed,
        decline=DECLINES + REFUSALS,
    )


def sampler_of(named: Mapping[str, Named]) -> str:
    """Who answers in sampling steps that name no model: the sampler where one is given, else the base."""
    return SAMPLER if SAMPLER in named else BASE
