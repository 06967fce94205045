"""A budget of time or requests, and a model whose answers are kept as they come, so that nothing is asked twice."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from truenorth.base import UserError, content_hash
from truenorth.engine import Journal, Run, duration
from truenorth.models.protocol import Model, Tick
from truenorth.records import Completion, Prompt, Scored

CHUNK = 128  # prompts between two looks at the clock
UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}
EXPECTED = "a time such as 90s, 10m or 2h, or a number of requests such as '500 requests'"


class OutOfBudget(KeyboardInterrupt):
    """The budget is spent. What was made is kept; the same command goes on from there."""


@dataclass(frozen=True)
class Budget:
    """Seconds on the clock, and requests to each endpoint; None is no limit.

    Args:
        clock: seconds, for tests.
    """

    seconds: float | None = None
    requests: int | None = None
    clock: Callable[[], float] = time.monotonic
    start: float = field(default=-1.0)

    def __post_init__(self) -> None:
        if self.start < 0:
            object.__setattr__(self, "start", self.clock())

    @classmethod
    def parse(cls, text: str) -> Budget:
        """Read `10m` or `500 requests`.

        Raises:
            UserError: neither.

        >>> Budget.parse("1.5m").seconds, Budget.parse("500 requests").requests
        (90.0, 500)
        """
        found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smh]|requests?)\s*", text)
        amount = float(found[1]) if found else 0.0
        if not found or amount <= 0 or (found[2].startswith("r") and amount != int(amount)):
            raise UserError(f"{text!r} is no budget", where="--budget", expected=EXPECTED)
        if found[2] in UNITS:
            return cls(seconds=amount * UNITS[found[2]])
        return cls(requests=int(amount))

    def check(self, doing: str) -> None:
        """
        Raises:
            OutOfBudget: the time is over.
        """
        if self.seconds is not None and self.clock() - self.start >= self.seconds:
            raise OutOfBudget(f"the budget of {duration(self.seconds)} is spent, {doing}")


class Clocked:
    """A run whose trainings look at the clock at every step. The next session goes on from what they saved last."""

    def __init__(self, run: Run, budget: Budget):
        self._run, self._budget = run, budget

    def metrics(self, *, step: int, **numbers: Any) -> None:
        """
        Raises:
            OutOfBudget: the time is over.
        """
        self._budget.check(f"at training step {step:,}")
        self._run.metrics(step=step, **numbers)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._run, name)


class Kept:
    """A model whose samples are written down in the scratch folder of the run's step as they come.

    A step that a kill or the budget ends goes on with what was sampled. Right for models whose draws depend on
    (seed, prompt, index) alone, as the protocol demands. Errors are not kept: they are asked again.
    """

    def __init__(self, model: Model, run: Run, budget: Budget):
        self._model, self._run, self._budget = model, run, budget
        self.name = model.name

    def sample(
        self, prompts: Sequence[Prompt], n: int = 1, *, tick: Tick | None = None, **settings: Any
    ) -> list[list[Completion]]:
        """As the model's; the budget is looked at every 128 prompts.

        Raises:
            OutOfBudget: the time is over, or an endpoint answers that its requests are spent.
        """
        journal = Journal(self._run.scratch() / "samples.jsonl")
        try:
            known = {line["key"]: line["said"] for line in journal.entries}
            keys = [content_hash([self.name, prompt, n, sorted(settings.items())], 32) for prompt in prompts]
            new = list({k: p for k, p in zip(keys, prompts, strict=True) if k not in known}.items())
            if tick is not None and len(new) < len(prompts):
                tick(len(prompts) - len(new))
            for at in range(0, len(new), CHUNK):
                self._budget.check(
                    f"with {len(prompts) - len(new) + at:,} of {len(prompts):,} prompts answered"
                )
                part = new[at : at + CHUNK]
                drawn = self._model.sample([p for _, p in part], n, tick=tick, **settings)
                for (key, _), group in zip(part, drawn, strict=True):
                    known[key] = [[c.text, c.logprob, c.finish, c.error] for c in group]
                    if all(c.finish != "error" for c in group):
                        journal.append({"key": key, "said": known[key]})
                self._spent(len(prompts) - len(new) + at, len(prompts))
            return [[Completion(t, (), lp, f, e) for t, lp, f, e in known[key]] for key in keys]
        finally:
            journal.close()

    def logprobs(self, pairs: Sequence[tuple[Prompt, str]], *, tick: Tick | None = None) -> list[Scored]:
        self._budget.check("before answers were scored")
        return self._model.logprobs(pairs, tick=tick)

    def _spent(self, done: int, of: int) -> None:
        usage = getattr(self._model, "usage", None)
        if usage is not None and usage.by_kind["budget_spent"]:
            raise OutOfBudget(f"the requests are spent, with {done:,} of {of:,} prompts answered or more")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)
