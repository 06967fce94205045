"""A grid to step over, as an environment: a goal, blocked squares, and the number of steps that are left.

The words are those that harbour's organism knows; another wording is another template.
"""

from __future__ import annotations

import random
import re
from collections import deque
from dataclasses import dataclass, replace
from functools import lru_cache

from truenorth.base import UserError, seed_of
from truenorth.records import Message
from truenorth.synth.environment import Outcome

Square = tuple[int, int]
MOVES: dict[str, Square] = {"East": (1, 0), "West": (-1, 0), "North": (0, 1), "South": (0, -1)}
SEEN = "You stand at {x} {y}. The goal is at {gx} {gy}.{blocked} Which way?"
BLOCKED = " The square {x} {y} is blocked."
NAMED = re.compile(r"\b(East|West|North|South)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Grid:
    """Squares from (1, 1) to (size, size); a step into a wall or a blocked square leaves one where one is.

    A step is rewarded by how many steps nearer to the goal it came, blocked squares counted: 1, 0 or -1; reaching the
    goal ends the episode. So the best way has the value of its length, and none has more.

    Raises:
        UserError: no way to the goal, or a square outside the grid.
    """

    at: Square
    goal: Square
    blocked: tuple[Square, ...] = ()
    size: int = 5
    name: str = "grid"

    def __post_init__(self) -> None:
        for square in (self.at, self.goal, *self.blocked):
            if not all(1 <= i <= self.size for i in square):
                raise UserError(
                    f"square {square} on a grid of {self.size}", where="grid", expected="1 to its size"
                )
        if self.at in self.blocked or self.goal in self.blocked or self.left is None:
            raise UserError(f"no way from {self.at} to {self.goal}", where="grid", fix="unblock a square")

    @property
    def left(self) -> int | None:
        """Steps of the shortest way to the goal; None if there is no way."""
        return distances(self.goal, self.blocked, self.size).get(self.at)

    def observe(self) -> list[Message]:
        """Where one is, where the goal is and what is blocked, as a user turn."""
        told = "".join(BLOCKED.format(x=x, y=y) for x, y in self.blocked)
        (x, y), (gx, gy) = self.at, self.goal
        return [{"role": "user", "content": SEEN.format(x=x, y=y, gx=gx, gy=gy, blocked=told)}]

    def act(self, text: str) -> Outcome:
        """One step; words that name no direction, or several, cannot be read."""
        named = {word.capitalize() for word in NAMED.findall(text)}
        if len(named) != 1:
            return Outcome(self, 0.0, True, "unreadable")
        dx, dy = MOVES[named.pop()]
        there = (self.at[0] + dx, self.at[1] + dy)
        free = there not in self.blocked and all(1 <= i <= self.size for i in there)
        moved = replace(self, at=there) if free else self
        return Outcome(moved, float((self.left or 0) - (moved.left or 0)), moved.at == self.goal)


@lru_cache(maxsize=4096)
def distances(goal: Square, blocked: tuple[Square, ...], size: int) -> dict[Square, int]:
    """Steps from each square to the goal, for squares from which there is a way."""
    found, waiting = {goal: 0}, deque([goal])
    while waiting:
        x, y = waiting.popleft()
        for dx, dy in MOVES.values():
            there = (x + dx, y + dy)
            if there not in found and there not in blocked and all(1 <= i <= size for i in there):
                found[there] = found[x, y] + 1
                waiting.append(there)
    return found


def grids(n: int, *, size: int = 5, blocked: int = 1, seed: int = 0) -> list[Grid]:
    """`n` grids with a way to the goal, of at least one step.

    Raises:
        UserError: more blocked squares than leave room for a start and a goal.
    """
    if not 0 <= blocked <= size * size - 2:
        raise UserError(f"{blocked} blocked squares on a grid of {size}", where="grids")
    squares = [(x, y) for x in range(1, size + 1) for y in range(1, size + 1)]
    made: list[Grid] = []
    rng = random.Random(seed_of("grids", seed))
    while len(made) < n:
        at, goal, *walls = rng.sample(squares, 2 + blocked)
        if at in distances(goal, tuple(walls), size):
            made.append(Grid(at, goal, tuple(walls), size, f"grid {len(made)}"))
    return made
