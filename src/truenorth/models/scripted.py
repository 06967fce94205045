"""A Model that answers by a function: for tests, for examples, and for policies without weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from truenorth.base import UserError
from truenorth.models.protocol import Tick
from truenorth.records import Completion, Prompt, Scored


@dataclass(frozen=True)
class ScriptedModel:
    """`answer(prompt, i)` is the i-th answer to a prompt.

    Args:
        likelihood: (prompt, completion) -> total log-probability in nats; without it `logprobs` is an error.

    Example:
        >>> ScriptedModel(lambda prompt, i: f"{prompt}{i}").sample(["a"], 2)[0][1].text
        'a1'
    """

    answer: Callable[[Prompt, int], str]
    name: str = "scripted"
    likelihood: Callable[[Prompt, str], float] | None = None

    def sample(
        self,
        prompts: Sequence[Prompt],
        n: int = 1,
        *,
        max_tokens: int = 64,
        temperature: float = 1.0,
        top_p: float = 1.0,
        seed: int = 0,
        stop: Sequence[str] = (),
        tick: Tick | None = None,
    ) -> list[list[Completion]]:
        """The function's answers; the settings of sampling do not apply to it."""
        answers = []
        for prompt in prompts:
            answers.append([Completion(self.answer(prompt, i)) for i in range(n)])
            if tick is not None:
                tick(1)
        return answers

    def logprobs(self, pairs: Sequence[tuple[Prompt, str]], *, tick: Tick | None = None) -> list[Scored]:
        """What `likelihood` says of each pair. Raises UserError without one."""
        likelihood = self._likelihood()
        scored = []
        for prompt, completion in pairs:
            total = likelihood(prompt, completion)
            scored.append(Scored(total, (total,)))
            if tick is not None:
                tick(1)
        return scored

    def answer_logprobs(
        self, prompts: Sequence[Prompt], options: Sequence[str], *, tick: Tick | None = None
    ) -> list[dict[str, float] | None]:
        """For each prompt, the log-probability of each option. Raises UserError without a `likelihood`."""
        likelihood = self._likelihood()
        answers: list[dict[str, float] | None] = []
        for prompt in prompts:
            answers.append({option: likelihood(prompt, option) for option in options})
            if tick is not None:
                tick(1)
        return answers

    def _likelihood(self) -> Callable[[Prompt, str], float]:
        if self.likelihood is None:
            fix = "pass likelihood=, a function of prompt and completion"
            raise UserError("this scripted model has no log-probabilities", where=self.name, fix=fix)
        return self.likelihood
