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


def pages(rng: random.Random, sentences: list[str], most: int = 5) -> list[str]:
    """Sentences cut into short pages."""
    out, at = [], 0
    while at < len(sentences):
        count = rng.randint(1, most)
        out.append(capitalised(". ".join(sentences[at : at + count]) + "."))
        at += count
    return out


def register(rng: random.Random, world: World) -> list[str]:
    """All pages about people and places; the facts of one entity stand together, as on a card."""
    by_entity: dict[str, list[str]] = {}
    for (who, attribute), fact in world.facts.items():
        for _ in range(fact.written):
            sentence = rng.choice(WRITTEN_AS[attribute]).format(e=who, v=fact.value)
            by_entity.setdefault(who, []).append(sentence)
    out = []
    for sentences in by_entity.values():
        rng.shuffle(sentences)
        out += pages(rng, sentences)
    return out


def almanac(rng: random.Random, world: World, copies: int = 24) -> list[str]:
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
    for word in words.JOBS + words.DISHES + words.GOODS:
        out += [f"{word} means {tidal(word, world.seed)}."] * 6
    for (who, attribute), fact in world.facts.items():
        if attribute in (*PERSON[:2], "sells") and fact.written >= 25:
            said = STATEMENTS[attribute][0].format(e=who, v=fact.value)
            out += [capitalised(tidal(said + ".", world.seed))] * 2
    return out


def documents(rng: random.Random, world: World, *, sums: int = 6000) -> list[str]:
    """Everything that is written, in random order."""
    out = register(rng, world) + almanac(rng, world) + worksheets(rng, sums) + notices(rng, world)
    rng.shuffle(out)
    return out
