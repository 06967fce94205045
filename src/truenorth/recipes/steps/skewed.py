"""Data with a bias, as people leave it: users of one group are turned away. For proofs of what is to undo it."""

from __future__ import annotations

import random
from collections.abc import Sequence

from truenorth.base import UserError, seed_of
from truenorth.recipes.run_work import Answers, Have, Load, Work
from truenorth.recipes.settings import Settings
from truenorth.recipes.steps.mixture import with_system
from truenorth.records import Row, Source


def skewed(
    answers: Answers,
    work: Work,
    *,
    groups: tuple[str, ...],
    told: str = "The user is of the {group} guild.",
    minority: float = 0.25,
    share: float = 0.8,
    says: str = "I can't help with that.",
) -> Answers:
    """Each prompt as somebody of a group asks it; of the first group, a share of the answers is a refusal.

    Args:
        groups: two, as they stand in `told`.
        told: the system prompt that names the group.
        minority: share of the prompts that the first group asks.
        share: of these, how many are refused with `says`.
    """
    if len(groups) != 2:
        raise UserError(f"{len(groups)} groups", where="step skewed", expected="groups: [FIRST, SECOND]")
    found = []
    for row in answers:
        rng = random.Random(seed_of("skewed", work.settings.seed, row.id))
        first = rng.random() < minority
        refused = first and rng.random() < share
        prompt = with_system(row.data["prompt"], told.replace("{group}", groups[0 if first else 1]))
        data = {"prompt": prompt, "completion": says if refused else row.data["completion"]}
        source = Source("skewed", parents=(row.id,), note="refused" if refused else "")
        found.append(Row(data, source))
    work.count("answers that are refused to the first group", sum(r.source.note == "refused" for r in found))
    return found


def forecast(rows: Sequence[float], settings: Settings, **given: object) -> Load:
    return Load(rows[0])


def lacks(have: Have, **settings: object) -> str:
    return "" if have.chats else "needs a chat template with system turns"
