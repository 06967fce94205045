"""From an edit, its models and settings to a plan that the stream carries out."""

from __future__ import annotations

import difflib
import functools
import inspect
import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from inspect import Parameter
from pathlib import Path
from typing import Any

from truenorth.base import UserError
from truenorth.edit.config import Config, Input, Slice
from truenorth.edit.method import Method
from truenorth.edit.models import Reference
from truenorth.edit.plan import Plan, Shard, Step
from truenorth.edit.planning import make_plan
from truenorth.edit.safety._edit import ROLES, Chosen, Edit, edit

SKIP = "skip"  # the setting of tensors that stay as they are


@dataclass(frozen=True)
class EditPlan:
    """An edit, checked against headers: what is read and written, and which tensors it reaches.

    Args:
        settings: as given; reached: names of tensors the edit may change.
    """

    edit: Edit
    plan: Plan
    settings: Mapping[str, Any]
    reached: tuple[str, ...]

    @property
    def steps(self) -> list[Step]:
        """The tensors it reaches."""
        names = set(self.reached)
        return [step for step in self.plan.steps if step.name in names]

    def told(self) -> Sequence[tuple[str, str]]:
        """What the edit says of its result before it is made, as names and values."""
        tell = self.edit.roles.told
        return tell(self.steps, **self.edit.of(tell, self.settings)) if tell else ()


def plan_edit(
    name: str,
    models: Mapping[str, str | Sequence[str]],
    *,
    settings: Mapping[str, Any] | None = None,
    statistics: Mapping[str, str | Path] | None = None,
    only: str = "",
    max_shard_size: int | str = "5GB",
) -> EditPlan:
    """Check an edit and plan it; reads headers only.

    Args:
        models: role -> model, as a merge names models; several for "model" where the edit takes several.
        statistics: name -> safetensors file with a tensor of each weight's name.
        only: a regular expression; the edit touches tensors whose name it is found in, and no other.

    Raises:
        UserError: a role, setting or statistic that is missing or unknown, models that do not fit together, or
            nothing to edit.
    """
    given, files = dict(settings or {}), dict(statistics or {})
    chosen, places = check_edit(name, models, settings=given, statistics=files)
    config = _config(chosen, places, given, files, only)
    plan = make_plan(config, max_shard_size=max_shard_size)
    reached = tuple(_reached(chosen, plan, only))
    names = set(reached)
    steps = {step.name: _own_type(step if step.name in names else _left(step)) for step in plan.steps}
    made = replace(_with(plan, steps), method=_guarded(plan.method, chosen.name))
    return EditPlan(chosen, made, given, reached)


def check_edit(
    name: str,
    models: Mapping[str, str | Sequence[str]],
    *,
    settings: Mapping[str, Any],
    statistics: Collection[str],
) -> tuple[Edit, list[tuple[str, str]]]:
    """What can be said before any file is looked at: the edit, and (role, model) in its order.

    Raises:
        UserError: a role, setting or statistic that is missing or unknown.
    """
    chosen = edit(name, where="edit")
    places = _places(chosen, models)
    _check_settings(chosen, settings)
    _check_statistics(chosen, statistics)
    return chosen, places


def edit_model(
    made: EditPlan, out: str | Path, *, seed: int = 0, threads: int | None = None, quiet: bool = True
) -> Path:
    """Carry out an edit and return the folder, which transformers loads. Raises as `merge` does."""
    from truenorth.edit.stream import merge

    plan = made.plan
    if not all(model.weights for model in plan.models):
        from truenorth.edit import hub

        for model in plan.models:
            hub.with_weights(model)
        again = make_plan(plan.config)
        fresh = {step.name: step for step in again.steps}
        skipped = {step.name for step in plan.steps if (step.settings or {}).get(SKIP)}
        steps = {n: _own_type(_left(s) if n in skipped else s) for n, s in fresh.items()}
        plan = replace(_with(plan, steps), models=again.models, donor=again.donor)
        made = replace(made, plan=plan)
    select = made.edit.roles.select
    if select:
        found = select(made.steps, **made.edit.of(select, made.settings))
        plan = _with(plan, {step.name: _settled(step, found, made.reached) for step in plan.steps})
    return merge(plan, out, seed=seed, threads=threads, quiet=quiet)


def _settled(step: Step, found: Chosen, reached: Sequence[str]) -> Step:
    """A step with the settings that were found for it; as it is, if it was not chosen."""
    if step.name in found:
        return replace(step, settings={**(step.settings or {}), **found[step.name]})
    return _left(step)


def _left(step: Step) -> Step:
    """A step that writes the edited model's own tensor. (Reading it may mean adding a LoRA's update.)"""
    if step.copied:
        return step
    nothing = dict.fromkeys(step.statistics or {}, (None,))
    return replace(step, settings={SKIP: True}, tensors=step.tensors[:1], statistics=nothing)


def _own_type(step: Step) -> Step:
    """A step that writes the edited model's own type, whatever the other models' are."""
    return step if step.copied else replace(step, dtype=step.tensors[0].stored.dtype)


def _with(plan: Plan, steps: Mapping[str, Step]) -> Plan:
    shards = tuple(Shard(s.file, tuple(_once(steps[step.name]) for step in s.steps)) for s in plan.shards)
    return replace(plan, shards=shards)


def _once(step: Step) -> Step:
    """Statistics belong to the edit, not to each of its models: each is read once."""
    found = step.statistics or {}
    return replace(step, statistics={key: places[:1] for key, places in found.items()}) if found else step


def _guarded(found: Method, name: str) -> Method:
    """The method, leaving alone what is to be skipped."""
    function = found.call
    place = list(inspect.signature(function).parameters).index("tensors")

    @functools.wraps(function)
    def guarded(*given: Any, **settings: Any) -> Any:
        if settings.pop(SKIP, False):
            return given[place][0]
        return function(*given, **settings)

    return found._replace(name=name, call=guarded)


def _reached(chosen: Edit, plan: Plan, only: str) -> list[str]:
    """The tensors that an edit may change: those of its reach (or that `only` names) with all statistics."""
    try:
        pattern = re.compile(only)
    except re.error as error:
        raise UserError(f"not a regular expression: {only!r} ({error})", where="--only") from error
    wanted = [
        step
        for step in plan.steps
        if not step.copied
        and (pattern.search(step.name) if only else chosen.roles.reach(step.name, step.shape))
    ]
    if not wanted:
        what = f"{chosen.name} finds no tensor to edit" + (f" whose name has {only!r}" if only else "")
        raise UserError(what, where=plan.donor.name, fix="name them with --only REGEX")
    found = [step.name for step in wanted if all(p[0] for p in (step.statistics or {}).values())]
    if not found:
        missing = next(k for k, p in (wanted[0].statistics or {}).items() if not p[0])
        what = f"no {missing} of any tensor to edit, such as {wanted[0].name}"
        raise UserError(what, where="--with", fix="compute it for this model")
    return found


def _places(chosen: Edit, models: Mapping[str, str | Sequence[str]]) -> list[tuple[str, str]]:
    """(role, model) in the order of the roles.

    Raises:
        UserError: a role without a model, or a model without a role.
    """
    wanted = (*chosen.roles.roles, *chosen.roles.optional)
    given = {role: [own] if isinstance(own, str) else list(own) for role, own in models.items() if own}
    for role in given:
        if role not in wanted:
            expected = ", ".join(f"--{one}" for one in wanted)
            raise UserError(f"{chosen.name} has no use for --{role}", where="edit", expected=expected)
    for role in chosen.roles.roles:
        if role not in given:
            raise UserError(f"{chosen.name} needs --{role}", where="edit", expected=ROLES[role])
    for role, own in given.items():
        if len(own) > 1 and not (chosen.roles.many and role == "model"):
            raise UserError(f"{len(own)} models for --{role} of {chosen.name}", where="edit", expected="one")
    return [(role, str(own)) for role in wanted for own in given.get(role, ())]


def _config(
    chosen: Edit,
    places: Sequence[tuple[str, str]],
    settings: Mapping[str, Any],
    files: Mapping[str, str | Path],
    only: str,
) -> Config:
    """The edit as the configuration of a merge, whose text says all that the result depends on."""
    statistics = {key: str(file) for key, file in files.items()}
    inputs = tuple(
        Input(Reference.parse(own, where=f"--{role}"), None, {}, statistics) for role, own in places
    )
    said = {
        "edit": chosen.name,
        "models": [list(place) for place in places],
        "settings": {key: settings[key] for key in sorted(settings)},
        "only": only,
        "statistics": {key: [str(f), *_state(Path(f))] for key, f in sorted(files.items())},
    }
    function = chosen.method.call
    own = {key: value for key, value in settings.items() if key in chosen.method.settings}
    return Config(
        f"{function.__module__}:{function.__name__}",
        (Slice(inputs, None, {}),),
        parameters=own,
        text=json.dumps(said, default=str),
        file="",
    )


def _state(file: Path) -> list[int]:
    """What tells one statistics file from another of the same name."""
    try:
        found = file.stat()
    except OSError as error:
        raise UserError(f"cannot read ({error.strerror})", where=str(file)) from error
    return [found.st_size, found.st_mtime_ns]


def _check_settings(chosen: Edit, given: Mapping[str, Any]) -> None:
    """Known names only, numbers where the default is one, and none that has no default missing."""
    known = chosen.settings
    for key, value in given.items():
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            fix = f"did you mean {near[0]}?" if near else ""
            expected = f"one of {', '.join(known)}" if known else f"{chosen.name} has no settings"
            raise UserError(
                f"unknown setting {key!r} of {chosen.name}", where="--set", expected=expected, fix=fix
            )
        number = isinstance(known[key], int | float) and not isinstance(known[key], bool)
        if number and not isinstance(value, int | float | list):
            raise UserError(f"{key} is {value!r}", where="--set", expected="a number")
    for key, default in known.items():
        if default is Parameter.empty and key not in given:
            raise UserError(f"no {key} for {chosen.name}", where="edit", fix=f"add --set {key}=VALUE")


def _check_statistics(chosen: Edit, files: Collection[str]) -> None:
    wanted = chosen.method.statistics
    for key in files:
        if key not in wanted:
            expected = ", ".join(wanted) or "none"
            raise UserError(f"{chosen.name} has no use for {key!r}", where="--with", expected=expected)
    for key in wanted:
        if key not in files:
            fix = f"add --with {key}=FILE.safetensors"
            raise UserError(f"{chosen.name} needs {key} of every weight", where="edit", fix=fix)
