"""Data with a bias, as people leave it: users of one group are turned away. For proofs of what is to undo it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import partial
from typing import Annotated

from truenorth.base import seed_of
from truenorth.judges._prompts import replace_last_user
from truenorth.judges.logprob import fill
from truenorth.recipes.run_limits import FILLED, Share, each, template
from truenorth.recipes.run_work import Answers, Load, Work
from truenorth.recipes.settings import Settings
from truenorth.records import Row, Source


def skewed(
    answers: Answers,
    work: Work,
    *,
    groups: Annotated[tuple[str, ...], each(FILLED, count=2)],
    told: Annotated[str, template("prompt", "group")] = "{prompt} I am of the {group} guild.",
    minority: Share = 0.25,
    share: Share = 0.8,
    says: str = "I can't help with that.",
) -> Answers:
    """Each prompt as somebody of a group asks it; of the first group, a share of the answers is a refusal.

    Args:
        groups: two, as they stand in `told`.
        told: what the user says then; {prompt} is the last user turn.
        minority: share of the prompts that the first group asks.
        share: of these, how many are refused with `says`.
    """
    found = []
    for row in answers:
        rng = random.Random(seed_of("skewed", work.settings.seed, row.id))
        first = rng.random() < minority
        refused = first and rng.random() < share
        prompt = replace_last_user(row.data["prompt"], partial(_telling, told, groups[0 if first else 1]))
        data = {"prompt": prompt, "completion": says if refused else row.data["completion"]}
        source = Source("skewed", parents=(row.id,), note="refused" if refused else "")
        found.append(Row(data, source))
    work.count("answers that are refused to the first group", sum(r.source.note == "refused" for r in found))
    return found


def _telling(told: str, group: str, prompt: str) -> str:
    return fill(told, {"prompt": prompt, "group": group})


def forecast(rows: Sequence[float], settings: Settings, **given: object) -> Load:
    return Load(rows[0])
