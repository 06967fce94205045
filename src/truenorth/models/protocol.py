"""The Model protocol: anything that answers. A decoding method wraps Models and is a Model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

from truenorth.records import Completion, Prompt, Scored

Tick = Callable[[int], None]  # called with the number of prompts just finished


@runtime_checkable
class Model(Protocol):
    """Answers prompts, and says how likely given answers are."""

    name: str  # name and revision, as it stands in provenance

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
        """`n` completions of each prompt, in the order asked. Temperature 0 is greedy.

        A row's draw depends on (seed, prompt, index in its group) only, never on its batch.
        """
        ...

    def logprobs(self, pairs: Sequence[tuple[Prompt, str]], *, tick: Tick | None = None) -> list[Scored]:
        """Log-probabilities (nats) of given completions, end-of-turn included for chats."""
        ...
