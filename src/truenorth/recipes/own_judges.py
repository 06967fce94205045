"""The judges of a job on a model of one's own, made from the roles that were found for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from truenorth.constitution import Constitution
from truenorth.judges import EndpointJudge, Judge, RewardJudge, compile, read_labels
from truenorth.judges.checks import Check
from truenorth.judges.compile import Compiled, ConstitutionJudge, bind, run_check
from truenorth.judges.text_classifier import TextClassifierJudge
from truenorth.models.local import LocalModel
from truenorth.recipes.counted import Counted
from truenorth.recipes.job import Judges
from truenorth.recipes.own_roles import Means, Role, classifier, labels_of
from truenorth.recipes.trust import measure_card, reward_card
from truenorth.records import Group, Judgement, prompt_text

Endpoint = Callable[[Sequence[str]], Judge]  # a judge of these principles


@dataclass(frozen=True)
class Code:
    """A check, (prompt, answer) -> score in [0, 1] or None, as a judge."""

    name: str
    function: Check

    def judge(self, groups: Sequence[Group]) -> list[list[Judgement]]:
        found = run_check(self.function, groups, says=prompt_text)
        return [[j._replace(judge=self.name) for j in group] for group in found]


def training_judge(
    constitution: Constitution,
    means: Means,
    parts: Mapping[str, Role],
    model: LocalModel,
    endpoint: Endpoint | None,
    *,
    seed: int,
) -> tuple[ConstitutionJudge, dict[str, RewardJudge]]:
    """The constitution over what trains each principle, and the judges that were fitted for it on labels."""
    fitted = {
        name: reward_judge(model, means, name, seed=seed) for name, r in parts.items() if r.trains == "labels"
    }
    judges: dict[str, Judge] = dict(fitted)
    for name, role in parts.items():
        if role.trains == "judge":
            assert endpoint is not None, name
            judges[name] = endpoint([name])
    made = compile(
        constitution, judges=judges, folder=means.folder(constitution), allow_code=means.allow_code
    )
    return made, fitted


def reward_judge(model: LocalModel, means: Means, principle: str, *, seed: int) -> RewardJudge:
    assert means.labels is not None, principle
    return RewardJudge.fit(model, labels_of(means.labels, principle), seed=seed)


def measuring_judges(
    constitution: Constitution,
    means: Means,
    parts: Mapping[str, Role],
    proxy: ConstitutionJudge,
    model: LocalModel,
    endpoints: Mapping[str, Endpoint],
    *,
    seed: int,
) -> dict[str, Judge]:
    """Principle -> the judge that measures it."""
    found: dict[str, Judge] = {}
    for p in constitution.principles:
        role = parts[p.id]
        if role.measures == "classifier":
            found[p.id] = classifier(role.named, means.folder(constitution), p.id)
        elif role.measures == "code":
            found[p.id] = Code(
                role.named, bind(role.named, {}, folder=means.folder(constitution), where=p.id)
            )
        elif role.measures in ("measure", "judge"):
            found[p.id] = endpoints[role.measures]([p.id])
        elif role.measures == "labels":
            found[p.id] = reward_judge(model, means, p.id, seed=seed)
        else:
            own = tuple(c for c in proxy.principles if c.id == p.id)
            name = proxy.name + (", which trained" if role.measures == "itself" else "")
            found[p.id] = replace(proxy, name=name, principles=own)
    return found


def second_judge(proxy: ConstitutionJudge, measuring: Mapping[str, Judge]) -> ConstitutionJudge:
    """The constitution over what measures: it watches the training, which never sees it."""
    own = tuple(_measured(c, measuring[c.id]) for c in proxy.principles)
    return ConstitutionJudge(f"measuring {proxy.name}", own, proxy.holds_at)


def _measured(c: Compiled, judge: Judge) -> Compiled:
    """A principle over its measure. Rules are no gates here: a measure has no limit to break."""
    return c if isinstance(judge, ConstitutionJudge) else replace(c, rule=False, checks=(), judges=(judge,))


def cards(
    proxy: Judge,
    fitted: Mapping[str, RewardJudge],
    measuring: Mapping[str, Judge],
    labels: Any,
) -> dict[str, dict[str, Any]]:
    """What the report says of each judge."""
    made: dict[str, dict[str, Any]] = {proxy.name: {"role": "trains"}}
    for name, judge in fitted.items():
        made[f"{judge.name} ({name})"] = reward_card(judge, labels_of(labels, name), name)
    for name, measure in measuring.items():
        card = made.setdefault(measure.name, {"role": "measures:"})
        card["role"] += f" {name}"
        if isinstance(measure, TextClassifierJudge):
            card |= {"accuracy": measure.accuracy, "labels": measure.labels}
            card["note"] = "on labelled sentences that it was not fitted on"
        if isinstance(measure, Counted):
            known = read_labels(labels, principle=name) if labels else []
            card |= (
                measure_card(measure, known)
                if known
                else {"note": "an endpoint; no labels to hold it against"}
            )
    return made


def own_judges(
    proxy: ConstitutionJudge,
    fitted: Mapping[str, RewardJudge],
    measuring: Mapping[str, Judge],
    labels: Any,
) -> Judges:
    """Args: labels: what the fitted judges were fitted on, where any were."""
    return Judges(proxy, second_judge(proxy, measuring), cards(proxy, fitted, measuring, labels))


def endpoint_judge(constitution: Constitution, model: Any, **settings: Any) -> Endpoint:
    """Makes judges of single principles on one endpoint, which counts and bounds what gets lost."""

    def of(only: Sequence[str]) -> Judge:
        return Counted(EndpointJudge.of(model, constitution, only=only, limit=1.0), model, **settings)

    return of
