"""A reward model that reads principles: which answer it prefers depends on the ones it is shown."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from truenorth.base import UserError, seed_of
from truenorth.judges.classifier import ClassifierJudge
from truenorth.learn.principles import Principle, conditioned, scaled
from truenorth.learn.reward import fit_reward, save
from truenorth.models.local import LocalModel
from truenorth.recipes.run_limits import Count, Positive
from truenorth.recipes.run_principles import definition, negative
from truenorth.recipes.run_work import Load, Verdicts, Work
from truenorth.recipes.settings import Settings
from truenorth.recipes.signals import grouped
from truenorth.records import Row

LEAST = 0.05  # difference of a principle's scores below which it prefers neither answer


@dataclass(frozen=True)
class Fitted:
    """A reward model as a step leaves it."""

    judge: ClassifierJudge

    def save(self, folder: Path) -> None:
        save(self.judge, folder)


def principled(
    verdicts: Verdicts,
    model: LocalModel,
    work: Work,
    *,
    only: tuple[str, ...] = (),
    pairs: Count = 2,
    passes: Count = 4,
    steps: Count = 300,
    batch: Count = 16,
    lr: Positive = 5e-4,
) -> Fitted:
    """The model with a score head, fitted on pairs of answers, each under a few principles or their contraries.

    What a principle prefers is what the judge of the verdicts says of it alone (`parts`); the one that is surest
    among those shown decides. Asked under others later, it is not fitted again: `verdicts: {under: [not private]}`.

    Args:
        only: principles of the constitution; by default all that judge something.
        pairs: at most, a prompt.
        passes: over the pairs, each with other principles.
        steps, batch, lr: of fitting; a pair a row.

    Source: Sun et al. 2023, SALMON (arXiv:2310.05910), section 3.2.

    Raises:
        UserError: no principle prefers any answer.
    """
    names = [p.id for p in work.job.constitution.principles if not only or p.id in only]
    couples = [c for group in grouped(verdicts).values() for c in _couples(group, pairs, work.settings.seed)]
    scores_PN = np.array([[_gap(a, b, name) for a, b in couples] for name in names], dtype=float)
    told = [i for i, row_N in enumerate(scores_PN) if row_N.any()]
    if not told:
        raise UserError(
            "no principle prefers any answer", where="step principled", fix="verdicts that say `parts`"
        )
    shown = [Principle(definition(work, names[i]), negative(work, names[i])) for i in told]
    rows = [{"prompt": a.data["prompt"], "answers": _texts(a, b)} for a, b in couples]
    seed = work.settings.seed
    lessons = conditioned(rows, shown, scaled(scores_PN[told]), passes=passes, seed=seed)
    work.count("pairs that a principle decides", len(lessons))
    folder = work.run.scratch() / "body"
    model.save(folder)
    with work.progress("fitting the reward model", steps) as tick:
        judge = fit_reward(
            folder, lessons, steps=steps, batch=batch, lr=lr, seed=seed, on_step=lambda _: tick(1)
        )
    return Fitted(judge)


def _texts(a: Row, b: Row) -> tuple[str, str]:
    return a.data["completion"], b.data["completion"]


def _couples(rows: Sequence[Row], most: int, seed: int) -> list[tuple[Row, Row]]:
    """At most `most` pairs of different answers to one prompt, drawn by seed."""
    found = [(a, b) for i, a in enumerate(rows) for b in rows[i + 1 :] if len({*_texts(a, b)}) == 2]
    random.Random(seed_of("couples", seed, rows[0].id)).shuffle(found)
    return sorted(found, key=lambda c: c[0].data.get("parts") == c[1].data.get("parts"))[:most]


def _gap(a: Row, b: Row, name: str) -> float:
    """How much better the first answer is by one principle, in [-1, 1]; 0 where it has no say."""
    one, two = (row.data.get("parts", {}).get(name) for row in (a, b))
    gap = 0.0 if one is None or two is None else one - two
    return gap if abs(gap) >= LEAST else 0.0


def forecast(rows: Sequence[float], settings: Settings, **given: float) -> Load:
    return Load(0, trained=2 * given.get("steps", 300) * given.get("batch", 16))
