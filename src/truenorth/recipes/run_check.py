"""The steps of a recipe looked up, bound to one another and checked, before anything is loaded."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, get_type_hints

from truenorth.base import UserError, find, names
from truenorth.judges import Judge
from truenorth.judges.people import people_judge
from truenorth.models.local import LocalModel
from truenorth.models.protocol import Model
from truenorth.recipes.run_recipe import NAME, Recipe, known, near
from truenorth.recipes.run_types import typed
from truenorth.recipes.run_work import Work

CATALOGUE = "truenorth.recipes.steps"
BASE, SAMPLER = "base", "sampler"
CONSTITUTION, SELF, CONSISTENCY, PEOPLE = JUDGES = "constitution", "self", "consistency", "people"
RESERVED = (BASE, SAMPLER, *JUDGES, "signals", "model", "aligned", "report")


class Wire(NamedTuple):
    """A positional parameter and what it is given: rows of steps, a model, a judge, or the work itself."""

    name: str
    takes: str  # rows, model, trainable, judge, work
    of: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()


class Bound(NamedTuple):
    """A step ready to be run. `columns` is None for a step that makes a model or a judge."""

    name: str
    kind: str
    function: Callable[..., Any]
    wires: tuple[Wire, ...]
    settings: Mapping[str, Any]
    columns: tuple[str, ...] | None
    makes: str  # rows, model, judge


def bound(
    recipe: Recipe, overrides: Mapping[str, Mapping[str, Any]] | None = None, *, allow_code: bool = False
) -> list[Bound]:
    """The steps in order.

    Args:
        overrides: step -> settings that take the place of the recipe's.
        allow_code: may steps name functions outside the catalogue (`package.module:function`)?

    Raises:
        UserError: an unknown step or setting, a step that uses a later one, or rows of the wrong shape.
    """
    found: dict[str, Bound] = {}
    for name in overrides or {}:
        known(name, recipe.steps, f"--set {name}", "step")
    for name, given in recipe.steps.items():
        where = recipe.at(f"steps.{name}")
        if not re.fullmatch(NAME, name) or name in RESERVED:
            raise UserError(
                f"a step cannot be named {name!r}",
                where=where,
                expected="small letters, not " + ", ".join(RESERVED),
            )
        found[name] = _bind(recipe, name, given, (overrides or {}).get(name, {}), found, allow_code)
    over = recipe.claim.over if recipe.claim else BASE
    _refer(
        recipe,
        over,
        [BASE, *(s.name for s in found.values() if s.makes == "model")],
        recipe.at("claim.over"),
        "model",
        found,
    )
    if not any(step.makes == "model" for step in found.values()):
        raise UserError("no step trains a model", where=recipe.at("steps"), fix="add a step such as train")
    return list(found.values())


def _bind(
    recipe: Recipe,
    name: str,
    written: Mapping[str, Any],
    override: Mapping[str, Any],
    earlier: Mapping[str, Bound],
    allow_code: bool,
) -> Bound:
    given, where = {**written, **override}, recipe.at(f"steps.{name}")

    def at_of(key: str) -> str:
        """Where a setting was given: on the command line, on a line of the recipe, or nowhere."""
        if key in override:
            return f"--set {name}.{key}"
        return recipe.at(f"steps.{name}.{key}") if key in given else where

    kind = str(given.pop("step", name))
    if ":" in kind and not allow_code:
        raise UserError(f"names code ({kind})", where=where, fix="--allow-code runs it")
    if ":" not in kind:
        known(kind, names(CATALOGUE), where, "step")
    function = find(CATALOGUE, kind, where=where)
    hints = get_type_hints(function, include_extras=True)
    parameters = inspect.signature(function).parameters
    accepted = [n for n, p in parameters.items() if hints.get(n) is not Work]
    for key in given:
        known(key, [*accepted, "step"], at_of(key), f"setting of step {kind}")
    wires, settings = [], {}
    for parameter in parameters.values():
        at = at_of(parameter.name)
        if parameter.kind == parameter.KEYWORD_ONLY:
            if parameter.name in given:
                hint, default = hints[parameter.name], parameter.default
                settings[parameter.name] = typed(given[parameter.name], hint, at, default)
            elif parameter.default is parameter.empty:
                raise UserError(f"{parameter.name} is missing", where=at)
        else:
            wires.append(_wire(recipe, parameter, hints[parameter.name], given, earlier, at))
    step = Bound(
        name, kind, function, tuple(w for w in wires if w), settings, *_makes(hints["return"], kind, where)
    )
    check = getattr(inspect.getmodule(function), "check", None)
    if check is not None:
        check(step, earlier, where)
    return step


def judged_by(step: Bound, kind: str, why: str, where: str) -> None:
    """For a step's `check`: its judge is of this kind.

    Raises:
        UserError: it is another one, which cannot do what is needed.
    """
    [name] = next(wire.of for wire in step.wires if wire.takes == "judge")
    if name.partition(":")[0] != kind:
        expected = f"judge: {kind}, or judge: {kind}:STEP"
        raise UserError(f"judge {name} {why}", where=where, expected=expected)


def _makes(hint: Any, kind: str, where: str) -> tuple[tuple[str, ...] | None, str]:
    columns = getattr(hint, "__metadata__", None)
    if columns is not None:
        return tuple(columns), "rows"
    if isinstance(hint, type) and hasattr(hint, "save"):
        return None, "model" if issubclass(hint, LocalModel) else "judge"
    raise UserError(
        f"step {kind} does not say what it returns", where=where, expected="rows, or what has save(folder)"
    )


def _wire(
    recipe: Recipe,
    parameter: inspect.Parameter,
    hint: Any,
    given: Mapping[str, Any],
    earlier: Mapping[str, Bound],
    at: str,
) -> Wire:
    name = parameter.name
    if hint is Work:
        return Wire(name, "work")
    value = given.get(name)
    if hint in (Model, LocalModel):
        value = str(value or (BASE if hint is LocalModel else SAMPLER))
        trained = [s.name for s in earlier.values() if s.makes == "model"]
        _refer(recipe, value, [BASE, SAMPLER, *recipe.models, *trained], at, "model", earlier)
        return Wire(name, "trainable" if hint is LocalModel else "model", (value,))
    if hint is Judge:
        value = str(value or CONSTITUTION)
        kind, _, of = value.partition(":")
        made = [s.name for s in earlier.values() if s.makes == "judge"]
        _refer(recipe, kind, [*JUDGES, *made], at, "judge", earlier)
        if kind == PEOPLE:
            people_judge(of, where=at)  # refused here, where it says nothing that could be asked
        elif of:
            _refer(
                recipe,
                of,
                [BASE, *recipe.models, *(s.name for s in earlier.values() if s.makes == "model")],
                at,
                "model",
                earlier,
            )
        return Wire(name, "judge", (value,))
    columns = tuple(getattr(hint, "__metadata__", ()))
    return _rows(recipe, parameter, columns, value, earlier, at)


def _rows(
    recipe: Recipe,
    parameter: inspect.Parameter,
    columns: tuple[str, ...],
    value: Any,
    earlier: Mapping[str, Bound],
    at: str,
) -> Wire:
    fitting = [s.name for s in earlier.values() if s.columns is not None and set(columns) <= set(s.columns)]
    if value is None and parameter.name in earlier:
        value = parameter.name
    if value is None and parameter.default is not parameter.empty:
        return Wire(parameter.name, "rows", (), columns)
    if value is None:
        expected = (
            " or ".join(f"{parameter.name}: {n}" for n in fitting)
            or f"an earlier step that makes {', '.join(columns)}"
        )
        raise UserError(f"does not say whose rows are its {parameter.name}", where=at, expected=expected)
    of = tuple(str(v) for v in (value if isinstance(value, list) else [value]))
    for one in of:
        _refer(
            recipe,
            one,
            [s.name for s in earlier.values() if s.columns is not None],
            at,
            "step with rows",
            earlier,
        )
        missing = [c for c in columns if c not in (earlier[one].columns or ())]
        if missing:
            raise UserError(
                f"rows of {one} have no {', '.join(missing)} ({', '.join(earlier[one].columns or ())})",
                where=at,
                expected=f"one of {', '.join(fitting)}" if fitting else f"rows with {', '.join(columns)}",
            )
    return Wire(parameter.name, "rows", of, columns)


def _refer(
    recipe: Recipe, name: str, allowed: list[str], at: str, what: str, earlier: Mapping[str, Bound]
) -> None:
    if name in allowed:
        return
    if name in recipe.steps and name not in earlier:
        raise UserError(f"uses {name}, which comes later", where=at, fix=f"move step {name} up")
    raise UserError(
        f"no {what} {name!r}", where=at, expected="one of " + ", ".join(allowed), fix=near(name, allowed)
    )
