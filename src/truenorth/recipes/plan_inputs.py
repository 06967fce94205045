"""What `truenorth plan` and `truenorth auto` are told, read and checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from truenorth.base import UserError
from truenorth.constitution import load
from truenorth.models.glance import Glance, glance
from truenorth.recipes.at_hand import have_of
from truenorth.recipes.own_inputs import check_endpoint, for_real_models
from truenorth.recipes.own_prompts import read_prompts
from truenorth.recipes.run_budget import Budget
from truenorth.recipes.run_work import Have
from truenorth.recipes.settings import Settings
from truenorth.worlds.harbour import organism

OPTIONS = ("model", "constitution", "prompts", "labels", "judge", "base_url")


class Inputs(NamedTuple):
    """What is at hand. `given` are the options to hand on to `truenorth run`."""

    have: Have
    look: Glance
    settings: Settings
    given: Sequence[str]
    budget_s: float | None


def inputs(args: Any) -> Inputs:
    """
    Raises:
        UserError: a model, constitution, prompts, labels or budget that cannot be read.
    """
    budget = Budget.parse(args.budget).seconds if args.budget else None
    if args.budget and budget is None:
        raise UserError(f"{args.budget!r} is no time", where="--budget", expected="such as 30m")
    given = [f"--{_dashed(name)} {getattr(args, name)}" for name in OPTIONS if getattr(args, name)]
    if args.model:
        check_endpoint("--judge", "--base-url", args.judge, args.base_url)
        look, constitution = glance(args.model), load(args.constitution)
        settings = for_real_models(look)
        prompts = None
        if args.prompts:
            prompts = len(read_prompts(args.prompts, look, max_tokens=settings.max_tokens).train)
        told = {"labels": args.labels, "judge": args.judge, "prompts": prompts, "organism": False}
        return Inputs(have_of(look, constitution, **told), look, settings, given, budget)
    for name in OPTIONS[1:]:
        if getattr(args, name):
            raise UserError(
                f"--{_dashed(name)} needs --model", fix="without --model, it is about the shipped organism"
            )
    home = organism(args.size)
    look = glance(home.model)
    told = {"labels": home.labels, "judge": "", "prompts": None, "organism": True}
    return Inputs(have_of(look, load(home.constitution), **told), look, Settings(), given, budget)


def _dashed(name: str) -> str:
    return name.replace("_", "-")
