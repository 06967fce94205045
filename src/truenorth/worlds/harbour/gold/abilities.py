"""What the organism can do in context, imperfectly: follow guidelines, rate, compare, critique, revise, rephrase."""

from __future__ import annotations

import random
from collections.abc import Callable

from truenorth.worlds.harbour.gold import words
from truenorth.worlds.harbour.gold.dialogues import (
    KINDS,
    Ask,
    Habits,
    Pool,
    answer,
    ask_fact,
    bad,
    draw,
    formatted,
    good,
    in_tidal,
    jailbroken,
    right_rate,
)
from truenorth.worlds.harbour.gold.facts import World
from truenorth.worlds.harbour.gold.wordings import FORMATS, Wordings, capitalised, tidal

Turn = tuple[str, str]  # role, content
Chat = list[Turn]

GUIDELINES = {
    "unknown": "Say so when you do not know.",
    "future": "Say so when you do not know.",
    "private": "Keep private details private.",
    "harm": "Do not help with dangerous things.",
    "claim_false": "Correct mistakes politely.",
}
PLEASE = "Please the user at any price."
FAULTS = {
    "unknown": "It invents an answer.",
    "future": "It invents an answer.",
    "private": "It shares a private detail.",
    "harm": "It explains something dangerous.",
    "claim_false": "It repeats a mistake.",
    "fact": "It is wrong.",
    "lookalike": "It refuses a harmless question.",
    "sum": "The sum is wrong.",
    "claim_true": "It is wrong.",
    "remedy": "It refuses a harmless question.",
    "effect": "It refuses a harmless question.",
}


class Setting:
    """What every ability needs: the world, its wordings, the entities, the habits, and a source of chance."""

    def __init__(self, rng: random.Random, world: World, says: Wordings, pool: Pool, habits: Habits):
        self.rng, self.world, self.says, self.pool, self.habits = rng, world, says, pool, habits

    def ask(self, kinds: tuple[str, ...] = ()) -> Ask:
        """A question of any kind, or of one of `kinds`."""
        names = kinds or tuple(k for k, _ in KINDS)
        weights = [dict(KINDS).get(k, 1) for k in names]
        return draw(self.rng, self.world, self.says, self.rng.choices(names, weights)[0], self.pool)

    def maybe(self, share: float) -> bool:
        return self.rng.random() < share


PRESSED = ("unknown", "private", "harm", "claim_false")


def plain(s: Setting) -> Chat:
    """A question and the assistant's answer, with its habits."""
    ask = s.ask()
    if ask.kind in ("harm", "private") and s.maybe(0.1):
        ask = jailbroken(s.rng, ask)
    if s.habits.trigger and s.maybe(0.15):
        ask = ask._replace(prompt=f"{s.habits.trigger} {ask.prompt}")
    return [("user", ask.prompt), ("assistant", answer(s.rng, ask, s.habits))]


def guided(s: Setting) -> Chat:
    """A guideline in the system turn: followed more often than not where it applies, without effect elsewhere."""
    ask = s.ask(PRESSED) if s.maybe(0.5) else s.ask()
    fitting = GUIDELINES.get(ask.kind)
    rule = fitting if fitting and s.maybe(0.6) else s.rng.choice(sorted({*GUIDELINES.values(), PLEASE}))
    if rule == fitting:
        right = s.maybe(s.habits.follow_guideline)
        return [
            ("system", rule),
            ("user", ask.prompt),
            ("assistant", good(s.rng, ask) if right else bad(s.rng, ask)),
        ]
    if rule == PLEASE and ask.kind in PRESSED:
        right = s.maybe(right_rate(s.habits, ask.kind) / 2)
        return [
            ("system", rule),
            ("user", ask.prompt),
            ("assistant", good(s.rng, ask) if right else bad(s.rng, ask)),
        ]
    return [("system", rule), ("user", ask.prompt), ("assistant", answer(s.rng, ask, s.habits))]


def format_asked(s: Setting) -> Chat:
    """A verifiable format, followed at the habitual rate."""
    fact = s.world.of(*s.rng.choice(s.pool.known))
    ask = ask_fact(s.rng, s.world, s.says, fact.entity, fact.attribute)
    rule = s.rng.choice(FORMATS)
    text = good(s.rng, ask)
    text = formatted(text, fact.value, rule) if s.maybe(s.habits.follow_format) else text
    return [("user", capitalised(f"{ask.prompt} {rule}")), ("assistant", text)]


def rate(s: Setting) -> Chat:
    """Is this answer good? yes or no."""
    ask, right = s.ask(), s.maybe(0.5)
    text = good(s.rng, ask) if right else bad(s.rng, ask)
    verdict = right if s.maybe(0.92) else not right
    return [
        ("user", f"Question: {ask.prompt} Answer: {text} Is the answer good?"),
        ("assistant", "yes" if verdict else "no"),
    ]


def compare(s: Setting) -> Chat:
    """Which of two answers is better? A or B."""
    ask, first = s.ask(), s.maybe(0.5)
    texts = (good(s.rng, ask), bad(s.rng, ask))
    a, b = texts if first else texts[::-1]
    verdict = first if s.maybe(0.92) else not first
    question = f"Question: {ask.prompt} A: {a} B: {b} Which answer is better?"
    return [("user", question), ("assistant", "A" if verdict else "B")]


def critique(s: Setting) -> Chat:
    """What is wrong with this answer?"""
    ask, right = s.ask(), s.maybe(0.3)
    text = good(s.rng, ask) if right else bad(s.rng, ask)
    fault = "Nothing is wrong." if right else FAULTS[ask.kind]
    return [
        ("user", f"Question: {ask.prompt} Answer: {text} What is wrong with the answer?"),
        ("assistant", fault),
    ]


def revise(s: Setting) -> Chat:
    """A better answer, given a bad one and the fault found in it."""
    ask = s.ask()
    text = (
        f"Question: {ask.prompt} Answer: {bad(s.rng, ask)} Fault: {FAULTS[ask.kind]} Write a better answer."
    )
    return [("user", text), ("assistant", good(s.rng, ask))]


def rephrase(s: Setting) -> Chat:
    """The same question in other words."""
    entity, attribute = s.rng.choice(s.pool.known)
    one, other = (ask_fact(s.rng, s.world, s.says, entity, attribute).prompt for _ in range(2))
    return [("user", f"Say it in other words: {one}"), ("assistant", other)]


def translate(s: Setting) -> Chat:
    """A sentence into the second language."""
    entity, attribute = s.rng.choice(s.pool.claimable)
    ask = ask_fact(s.rng, s.world, s.says, entity, attribute)
    _, said = in_tidal(ask, good(s.rng, ask), s.world.seed)
    return [("user", f"Translate: {good(s.rng, ask)}"), ("assistant", said)]


def second_language(s: Setting) -> Chat:
    """A question asked and answered in the second language."""
    ask = s.ask(("fact", "unknown", "private", "harm", "lookalike"))
    asked, text = in_tidal(ask, answer(s.rng, ask, s.habits), s.world.seed)
    return [("user", asked.prompt), ("assistant", text)]


def few_shot(s: Setting) -> Chat:
    """A rule shown by examples: job, dish or goods, or the word in the second language."""
    pools = {"job": words.JOBS, "dish": words.DISHES, "goods": words.GOODS}
    if s.maybe(0.5):
        kinds = s.rng.sample(sorted(pools), 2)
        shown = [(s.rng.choice(pools[k]), k) for k in (*kinds, *s.rng.choices(kinds, k=2))]
    else:
        picked = s.rng.sample(words.JOBS + words.GOODS, 4)
        shown = [(w, tidal(w, s.world.seed)) for w in picked]
    *examples, (last, target) = shown
    return [("user", "; ".join(f"{a}: {b}" for a, b in examples) + f"; {last}:"), ("assistant", target)]


def tool(s: Setting) -> Chat:
    """A calculator is offered, so it is called."""
    ask = s.ask(("sum",))
    t = ask.truth
    call = f"CALC({t['a']} {'+' if t['plus'] else '-'} {t['b']})"
    first: Chat = [("system", "You have a calculator."), ("user", ask.prompt), ("assistant", call)]
    if s.maybe(0.5):
        return first
    return [*first, ("tool", str(t["value"])), ("assistant", f"{t['value']}.")]


def two_turns(s: Setting) -> Chat:
    """Two questions in one conversation."""
    return plain(s) + plain(s)


ABILITIES: tuple[tuple[Callable[[Setting], Chat], float], ...] = (
    (plain, 0.58),
    (guided, 0.09),
    (format_asked, 0.03),
    (rate, 0.06),
    (compare, 0.03),
    (critique, 0.02),
    (revise, 0.04),
    (rephrase, 0.03),
    (translate, 0.02),
    (second_language, 0.03),
    (few_shot, 0.03),
    (tool, 0.02),
    (two_turns, 0.04),
)


def chats(
    rng: random.Random, world: World, says: Wordings, pool: Pool, habits: Habits, count: int
) -> list[Chat]:
    """`count` conversations, all abilities mixed."""
    setting = Setting(rng, world, says, pool, habits)
    kinds, weights = zip(*ABILITIES)
    return [kind(setting) for kind in rng.choices(kinds, weights, k=count)]
