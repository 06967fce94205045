"""Questions of taste as a bench: a score for every guild, for methods that have many groups to serve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from truenorth.judges import Judge
from truenorth.measure import Item
from truenorth.recipes.rates import key
from truenorth.records import Group, Judgement, Message
from truenorth.worlds.harbour.gold.facts import World, make_world
from truenorth.worlds.harbour.gold.guilds import Taste, pleased, taste_items
from truenorth.worlds.harbour.gold.words import GUILDS


class Pleased:
    """How far answers please one guild, as a judge."""

    def __init__(self, world: World, guild: str, topics: Mapping[str, str]):
        self.name = f"oracle:{guild}"
        self._world, self._guild, self._topics = world, guild, topics

    def judge(self, groups: Sequence[Group]) -> list[list[Judgement]]:
        return [
            [
                Judgement(pleased(self._world, self._topics[key(g.prompt)], text)[self._guild], self.name)
                for text in g.completions
            ]
            for g in groups
        ]


def guild_bench(
    world_seed: int, *, each: int = 60, named: bool = True
) -> tuple[list[Item], dict[str, Judge]]:
    """Items whose principle is a guild, and that guild's judge: `evaluate(model, *guild_bench(0))`.

    Named, each guild is asked in its own name and only its own score counts. Not named, the same questions are put
    once for every guild: a model that is asked with one seed gives each the same answer.
    """
    world = make_world(world_seed)
    tastes = taste_items(world, each=each, named=named)
    topics = {key(prompt_of(t)): t.topic for t in tastes}
    items = [
        Item(f"{t.id}:{guild}", prompt_of(t), guild, f"{guild}:{t.topic}")
        for t in tastes
        for guild in ([t.guild] if t.guild else GUILDS)
    ]
    return items, {guild: Pleased(world, guild, topics) for guild in GUILDS}


def prompt_of(taste: Taste) -> list[Message]:
    return [cast(Message, {"role": role, "content": text}) for role, text in taste.turns]
