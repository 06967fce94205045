"""Questions with notes in front: false ones against what the model knows, true ones where it knows nothing."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import NamedTuple

from truenorth.base import seed_of
from truenorth.judges._prompts import asked, neutralise
from truenorth.judges.checks._text import first_match
from truenorth.judges.consistency import DECLINES
from truenorth.judges.lawful import REFUSALS
from truenorth.recipes.run_limits import Amount, Count, Fractions
from truenorth.recipes.run_rows import as_lesson, taken
from truenorth.recipes.run_work import Load, Pairs, Verdicts, Work
from truenorth.recipes.settings import Settings
from truenorth.recipes.signals import grouped
from truenorth.records import Row
from truenorth.synth.contradict import Known, contradicted, states
from truenorth.synth.poison import poisoned

GOOD = 0.5  # score from which an answer is good


class Answered(NamedTuple):
    """A question and the verdicts on what the model answers to it: good and poor, and which could stand as notes."""

    question: str
    good: list[Row]
    true: list[Row]  # of the good ones those that could be notes
    false: list[Row]  # of the poor ones


def notes(
    verdicts: Verdicts,
    work: Work,
    *,
    shares: Fractions = ("0.5", "1"),
    passages: Count = 1,
    lies: Amount = 1,
    guesses: Amount = 4,
) -> Pairs:
    """Pairs with notes before the question, of what the model itself answered to it.

    Where it has a good answer, that one stays chosen, and notes state a worse one (poison): one of its own, or its
    good answer with the value of another question's. Where none is good (its answers scatter) there is nothing to hold
    against a note: what most of the notes state is chosen, above "I don't know" and above another guess in turn.
    Questions with an opinion of the user's, and those that the model refuses at times, get no notes.

    Args:
        shares: of the notes that contradict the chosen answer, fractions; rounded to whole notes. Where nothing is
            known only those below a half.
        passages: notes in front of a question.
        lies: at most so many different ones for a question of the first kind. guesses: for one of the second.

    Source: Yang et al. 2024, Dialectical alignment (arXiv:2404.00486): conflicts of context and memory, and of
    passages, at several shares of poison.
    """
    seed, told = work.settings.seed, tuple(float(share) for share in shares)
    agreed = (0.0, *(share for share in told if 2 * round(share * passages) < passages))
    found = [_answered(rows, work.settings.margin) for rows in grouped(verdicts).values() if _fit(rows)]
    silent = sorted({r.data["completion"] for r in verdicts if declines(r.data["completion"])})
    known = _known([one for one in found if one.true], lies, seed)
    unknown = [row for one in found if not one.good for row in _unknown(one, silent, guesses, seed)]
    rows = taken(work, poisoned(known, shares=told, passages=passages, seed=seed), "notes on what is known")
    rows += taken(
        work, poisoned(unknown, shares=agreed, passages=passages, seed=seed), "notes on what is not"
    )
    work.count("lies about what is known", len(known))
    work.count("guesses about what is not", len(unknown))
    return [as_lesson(row) for row in rows]


def declines(text: str) -> bool:
    """Does an answer say that it does not know?"""
    return first_match(DECLINES, text) is not None


def refuses(text: str) -> bool:
    """Does an answer not say what it may know?"""
    return first_match(REFUSALS, text) is not None and not declines(text)


def _fit(rows: Sequence[Row]) -> bool:
    """A question without the user's opinion, that is never refused."""
    prompt = rows[0].data["prompt"]
    return neutralise(prompt) == prompt and not any(refuses(row.data["completion"]) for row in rows)


def _answered(rows: Sequence[Row], margin: float) -> Answered:
    question = asked(rows[0].data["prompt"])
    judged = [r for r in rows if r.data["score"] is not None and not declines(r.data["completion"])]
    best = max((r.data["score"] for r in judged), default=0.0)
    good = [r for r in judged if r.data["score"] >= max(GOOD, best - 1e-9)]
    poor = [r for r in judged if r.data["score"] < GOOD and (not good or r.data["score"] <= best - margin)]
    true, false = ([r for r in some if states(r.data["completion"], question)] for some in (good, poor))
    return Answered(question, good, true, false)


def _known(found: Sequence[Answered], lies: int, seed: int) -> list[Row]:
    """What the model knows beside what is false: pairs without notes."""
    known = [Known(one.question, tuple(row.data["completion"] for row in one.good)) for one in found]
    rows = []
    for one, others in zip(found, contradicted(known, n=lies, seed=seed), strict=True):
        rng = random.Random(seed_of("notes", seed, one.question))
        false = sorted({*others, *(row.data["completion"] for row in one.false)})
        rows += [_pair(rng.choice(one.true), lie) for lie in rng.sample(false, min(lies, len(false)))]
    return rows


def _unknown(one: Answered, silent: Sequence[str], guesses: int, seed: int) -> list[Row]:
    """A guess beside "I don't know", the next one beside another guess, and so on."""
    rng = random.Random(seed_of("notes", seed, one.question))
    rows = []
    for i, guess in enumerate(rng.sample(one.false, min(guesses, len(one.false)))):
        others = [row.data["completion"] for row in one.false if row is not guess]
        worse = others if others and (i % 2 or not silent) else silent
        rows += [_pair(guess, rng.choice(worse))] if worse else []
    return rows


def _pair(chosen: Row, rejected: str) -> Row:
    """Under the verdict's id: what is made of it leads back to it."""
    told = {"prompt": chosen.data["prompt"], "chosen": chosen.data["completion"], "rejected": rejected}
    return Row(told, chosen.source, chosen.id)


def forecast(rows: Sequence[float], settings: Settings, **given: object) -> Load:
    return Load(0.7 * rows[0] / max(1, settings.samples))
