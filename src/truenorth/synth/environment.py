"""Play in an environment and keep what was done: a row a step, with the environment's own verdict on it.

What a world answers cannot be flattered; what it can be is exploited, so rows say how an episode ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple, Protocol

from truenorth.base import UserError
from truenorth.models.protocol import Model, Tick
from truenorth.records import Prompt, Row, Source
from truenorth.synth.answers import as_answer
from truenorth.synth.asking import part_seed, say
from truenorth.synth.filters import Filtered, filtered


class Outcome(NamedTuple):
    """What an action led to.

    reward: of the step alone. done: the episode is over. fault: why the action could not be read, or "".
    """

    environment: Environment
    reward: float
    done: bool = False
    fault: str = ""


class Environment(Protocol):
    """A state that can be seen and acted in; `act` leaves it as it is and answers with another."""

    @property
    def name(self) -> str: ...

    def observe(self) -> Prompt:
        """What is seen now, as a prompt."""
        ...

    def act(self, text: str) -> Outcome:
        """What a model's words lead to."""
        ...


def played(
    model: Model,
    environments: Sequence[Environment],
    *,
    n: int = 1,
    most_steps: int = 12,
    discount: float = 1.0,
    max_tokens: int = 16,
    temperature: float = 1.0,
    seed: int = 0,
    tick: Tick | None = None,
) -> Filtered:
    """Rows (prompt, completion, reward, value, step, episode, won): every step of `n` episodes in each environment.

    `value` is the discounted sum of rewards from the step on; `won` that the episode came to its end in time. All
    episodes take their steps side by side. An action that cannot be read, or a reply with a fault, ends its episode;
    it is counted ("unreadable", or the fault), and its steps so far stay.

    Args:
        discount: of a reward one step later, in (0, 1].

    Raises:
        UserError: a discount out of range, or no episodes or steps.
    """
    if not 0 < discount <= 1 or n < 1 or most_steps < 1:
        what = f"discount {discount}, n {n}, most_steps {most_steps}"
        raise UserError(what, where="environment", expected="discount in (0, 1], n and most_steps >= 1")
    ask = partial(say, model, max_tokens=max_tokens, temperature=temperature, tick=tick)
    episodes = [Episode(env, i) for env in environments for i in range(n)]
    reasons: list[str] = []
    for step in range(most_steps):
        for i in range(
            n
        ):  # a call for each turn of an environment: the draw of one does not depend on the others
            going = [e for e in episodes if e.index == i and not e.over]
            seen = [e.environment.observe() for e in going]
            for e, prompt, [one] in zip(going, seen, ask(seen, seed=part_seed(seed, step, i)), strict=True):
                fault = one.fault or e.act(prompt, one.text)
                if fault:
                    reasons.append(fault)
                    e.over = True
    return filtered([row for e in episodes for row in e.rows(model, discount, seed)], reasons)


@dataclass
class Episode:
    """One way through an environment, as far as it came: (what was seen, what was said, reward)."""

    environment: Environment
    index: int
    steps: list[tuple[Prompt, str, float]] = field(default_factory=list)
    over: bool = False
    won: bool = False
    name: str = ""

    def __post_init__(self) -> None:
        self.name = self.environment.name

    def act(self, prompt: Prompt, text: str) -> str:
        """Take a step; the fault of an action that could not be read, or ""."""
        found = self.environment.act(text)
        if not found.fault:
            self.steps.append((prompt, text, found.reward))
            self.environment, self.over, self.won = found.environment, found.done, found.done
        return found.fault

    def rows(self, model: Model, discount: float, seed: int) -> list[Row]:
        """A row a step, the value of each from the rewards that followed."""
        value, made = 0.0, []
        for step in reversed(range(len(self.steps))):
            prompt, text, reward = self.steps[step]
            value = reward + discount * value
            note = f"{self.name}, episode {self.index}"
            source = Source("environment", "environment", model=model.name, seed=seed, note=note)
            data = {"prompt": prompt, "completion": as_answer(prompt, text), "reward": reward, "value": value}
            made.append(Row({**data, "step": step, "episode": self.index, "won": self.won}, source))
        return made[::-1]
