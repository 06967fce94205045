"""A model compares two of its own answers in both orders; where both orders agree, one is preferred."""

from __future__ import annotations

import random
from collections.abc import Sequence

from truenorth.base import UserError, seed_of
from truenorth.judges import Judge
from truenorth.recipes.run_work import Answers, Load, Pairs, Work
from truenorth.recipes.settings import Settings
from truenorth.recipes.signals import grouped
from truenorth.records import Row, Source


def preferences(answers: Answers, judge: Judge, work: Work, *, least: float = 0.6) -> Pairs:
    """One pair a prompt with two different answers, preferred with a probability of `least` over both orders.

    Undecided prompts make no pair and are counted. The judge must compare: `self`, `self:STEP`.
    Source: Bai et al. 2022 (arXiv:2212.08073), section 4.1; both orders as in Zheng et al. 2023 (arXiv:2306.05685).
    """
    if not hasattr(judge, "compare"):
        raise UserError(f"{judge.name} compares nothing", where="step preferences", expected="judge: self")
    couples = []
    for prompt_id, group in grouped(answers).items():
        rng = random.Random(seed_of("preferences", work.settings.seed, prompt_id))
        if len(group) > 1:
            couples.append(tuple(rng.sample(group, 2)))
    work.count("prompts with one answer only", len(grouped(answers)) - len(couples))
    found = judge.compare(
        [a.data["prompt"] for a, _ in couples],
        [a.data["completion"] for a, _ in couples],
        [b.data["completion"] for _, b in couples],
    )
    rows = []
    for (a, b), said in zip(couples, found, strict=True):
        if said.first is None:
            work.count("comparisons whose orders disagree", 1)
        elif max(said.first, 1 - said.first) < least:
            work.count("comparisons too close to tell", 1)
        else:
            rows.append(
                _pair(a, b, said.first, judge, work)
                if said.first > 0.5
                else _pair(b, a, 1 - said.first, judge, work)
            )
    return rows


def _pair(chosen: Row, rejected: Row, share: float, judge: Judge, work: Work) -> Row:
    data = {
        "use": "pair",
        "prompt": chosen.data["prompt"],
        "chosen": chosen.data["completion"],
        "rejected": rejected.data["completion"],
        "score_chosen": share,
        "score_rejected": 1 - share,
    }
    source = Source("prefer", judge=judge.name, constitution=work.label, parents=(chosen.id, rejected.id))
    return Row(data, source)


def forecast(rows: Sequence[float], settings: Settings, **given: float) -> Load:
    prompts = min(rows[0], settings.prompts)
    return Load(0.5 * prompts, reads=2 * prompts)
