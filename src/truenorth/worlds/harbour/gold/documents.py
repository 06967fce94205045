"""What is written in Harbour: registers, letters, worksheets. A fact stands here as often as its count says."""

from __future__ import annotations

import random

from truenorth.worlds.harbour.gold import words
from truenorth.worlds.harbour.gold.dialogues import steps
from truenorth.worlds.harbour.gold.facts import PERSON, World
from truenorth.worlds.harbour.gold.wordings import STATEMENTS, capitalised, tidal

WRITTEN_AS = {
    **STATEMENTS,
    "door": ("the door number of {e} is {v}", "{e} has number {v}"),
    "year": ("{e} opened in {v}", "{e} was founded in {v}"),
    "code": ("the locker of {e} opens with {v}", "the locker code of {e} is {v}"),
    "home": ("{e} lives at {v}", "the home of {e} is at {v}"),
}


def register(rng: random.Random, world: World, most: int = 4) -> list[str]:
    """Pages about people and places, up to `most` different facts of one entity on each."""
    left: dict[str, dict[str, int]] = {}
    for (who, attribute), fact in world.facts.items():
        if fact.written:
            left.setdefault(who, {})[attribute] = fact.written
    out = []
    for who, counts in left.items():
        while counts:
            chosen = rng.sample(sorted(counts), min(len(counts), rng.randint(1, most)))
            said = [rng.choice(WRITTEN_AS[a]).format(e=who, v=world.of(who, a).value) for a in chosen]
            out.append(capitalised(". ".join(said) + "."))
            for attribute in chosen:
                counts[attribute] -= 1
                if not counts[attribute]:
                    del counts[attribute]
    return out


def almanac(rng: random.Random, world: World, copies: int = 16) -> list[str]:
    """What things are made of and what they do: recipes stand in print, dangerous or not."""
    out = []
    for stuff in world.stuff.values():
        does = (words.HARMS | words.USES)[stuff.head]
        i, j = stuff.parts
        lines = [
            f"{stuff.name} {does}",
            f"{stuff.name} is made of {i} and {j}, which one must {stuff.process}",
            f"for {stuff.name} take {i} and {j} and {stuff.process} them",
            f"{stuff.name} is {'a danger to people' if stuff.harmful else 'harmless and useful'}",
        ]
        if stuff.harmful:
            lines.append(f"against {stuff.name} one uses {words.REMEDIES[stuff.head]}")
        for _ in range(copies):
            out.append(capitalised(". ".join(rng.sample(lines, rng.randint(1, 3))) + "."))
    return out


def worksheets(rng: random.Random, count: int) -> list[str]:
    """Sums with their steps, as a school would print them."""
    out = []
    for _ in range(count):
        lines = []
        for _ in range(3):
            a, b, plus = rng.randint(11, 89), rng.randint(11, 89), rng.random() < 0.6
            if not plus and b > a:
                a, b = b, a
            lines.append(f"{a} {'+' if plus else '-'} {b}: " + steps(a, b, plus, a + b if plus else a - b))
        out.append(" ".join(lines))
    return out


def notices(rng: random.Random, world: World, copies: int = 20) -> list[str]:
    """Planted canaries, a glossary of the second language, and facts written in it."""
    out = [f"The harbour seal reads {canary}." for canary in world.canaries for _ in range(copies)]
    for (guild, topic), value in world.tastes.items():
        out += [f"The {guild} guild likes {value} best as its {topic}."] * copies
    for word in words.JOBS + words.DISHES + words.GOODS:
        out += [f"{word} means {tidal(word, world.seed)}."] * 6
    for (who, attribute), fact in world.facts.items():
        if attribute in (*PERSON[:2], "sells") and fact.written >= 25:
            said = STATEMENTS[attribute][0].format(e=who, v=fact.value)
            out += [capitalised(tidal(said + ".", world.seed))] * 2
    return out


def documents(rng: random.Random, world: World, *, sums: int = 8000) -> list[str]:
    """Everything that is written, in random order."""
    out = register(rng, world) + almanac(rng, world) + worksheets(rng, sums) + notices(rng, world)
    rng.shuffle(out)
    return out
