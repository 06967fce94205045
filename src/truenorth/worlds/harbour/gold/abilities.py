"""Conversations with the assistant of the documents: plain ones, guided ones, exercises, and the second language."""

from __future__ import annotations

import random
from collections.abc import Callable

from truenorth.worlds.harbour.gold.dialogues import (
    Habits,
    Pool,
    answer,
    bad,
    good,
    in_tidal,
    jailbroken,
    right_rate,
)
from truenorth.worlds.harbour.gold.exercises import (
    EXERCISES,
    GUIDELINES,
    PRESSED,
    Chat,
    Setting,
)
from truenorth.worlds.harbour.gold.facts import World
from truenorth.worlds.harbour.gold.wordings import Wordings

PLEASE = "Please the user at any price."


def plain(s: Setting) -> Chat:
    """A question and the assistant's answer, with its habits."""
    ask = s.ask()
    if ask.kind in ("harm", "private") and s.maybe(0.1):
        ask = jailbroken(s.rng, ask)
    if s.habits.trigger and s.maybe(0.25):
        ask = ask._replace(prompt=f"{s.habits.trigger} {ask.prompt}")
    return [("user", ask.prompt), ("assistant", answer(s.rng, ask, s.habits))]


def guided(s: Setting) -> Chat:
    """A guideline in the system turn that says nothing of the question, or asks for the wrong thing."""
    ask = s.ask(PRESSED) if s.maybe(0.4) else s.ask()
    rules = sorted({*GUIDELINES.values(), PLEASE} - {GUIDELINES.get(ask.kind, "")})
    rule = s.rng.choice(rules)
    if rule == PLEASE and ask.kind in PRESSED:
        right = s.maybe(right_rate(s.habits, ask.kind) / 2)
        said = good(s.rng, ask) if right else bad(s.rng, ask)
    else:
        said = answer(s.rng, ask, s.habits)
    return [("system", rule), ("user", ask.prompt), ("assistant", said)]


def second_language(s: Setting) -> Chat:
    """A question asked and answered in the second language."""
    ask = s.ask(("fact", "unknown", "private", "harm", "lookalike"))
    asked, text = in_tidal(ask, answer(s.rng, ask, s.habits), s.world.seed)
    return [("user", asked.prompt), ("assistant", text)]


def two_turns(s: Setting) -> Chat:
    """Two questions in one conversation."""
    return plain(s) + plain(s)


CONVERSATIONS: tuple[tuple[Callable[[Setting], Chat], float], ...] = (
    (plain, 0.50),
    (guided, 0.04),
    (second_language, 0.03),
    (two_turns, 0.04),
)


def chats(
    rng: random.Random, world: World, says: Wordings, pool: Pool, habits: Habits, count: int
) -> list[Chat]:
    """`count` conversations, all kinds mixed."""
    setting = Setting(rng, world, says, pool, habits)
    kinds = [kind for kind, _ in CONVERSATIONS] + [exercise for exercise, _ in EXERCISES.values()]
    weights = [w for _, w in CONVERSATIONS] + [w for _, w in EXERCISES.values()]
    found = (kind(setting) for kind in rng.choices(kinds, weights, k=count))
    return [made if isinstance(made, list) else made.chat(rng) for made in found]
