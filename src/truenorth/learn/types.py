"""The words of learning: examples in token ids, log-probabilities, and what an objective may ask for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple

from torch import Tensor


class Answer(NamedTuple):
    """A prompt and its one completion, as token ids. The completion ends with the end-of-turn token."""

    prompt: Sequence[int]
    completion: Sequence[int]


class Example(NamedTuple):
    """A prompt and the completions that share it, as token ids. A pair is (chosen, rejected).

    Ids include BOS and the end-of-turn token where the model wants them. The prompt has one token at least
    (BOS, for a whole document), and so has each completion. `weight` multiplies its part of the average.
    """

    prompt: Sequence[int]
    completions: Sequence[Sequence[int]]
    weight: float = 1.0


class Logps(NamedTuple):
    """Log-probabilities (nats) of B completions, token by token; 0 past a completion's end."""

    token_BT: Tensor
    mask_BT: Tensor  # True where a token is

    @property
    def total(self) -> Tensor:
        """(B,) summed over tokens."""
        return self.token_BT.sum(1)

    @property
    def length(self) -> Tensor:
        """(B,) tokens, as float32."""
        return self.mask_BT.sum(1).float()

    @property
    def mean(self) -> Tensor:
        """(B,) per token."""
        return self.total / self.length


class Pair(NamedTuple):
    """B pairs of completions, each of one prompt."""

    chosen: Logps
    rejected: Logps


class Group(NamedTuple):
    """All completions of some prompts, prompt by prompt: `group_B` says whose each is. Losses are (G,)."""

    answers: Logps
    group_B: Tensor


class Batch(NamedTuple):
    """As `Group`, but of the whole step's batch: for objectives that couple examples. Costs two passes."""

    answers: Logps
    group_B: Tensor


class Distribution(NamedTuple):
    """What a model expects at each of T completion tokens: log-probs over the whole vocabulary."""

    logp_TV: Tensor


# What an objective returns, as its annotation says it; decides the average unless a task names one.
Losses = Annotated[Tensor, "per_sequence"]  # (B,) or (G,): each one number, averaged over sequences
TokenLosses = Annotated[Tensor, "per_token"]  # (B,) sums over tokens, or (T,): averaged over tokens

Coupling = Literal["answer", "pair", "group", "batch", "distribution"]
Objective = Callable[..., Tensor]


class Needs(NamedTuple):
    """What an objective declares by its signature."""

    coupling: Coupling
    reference: bool
    average: str
    settings: dict[str, Any]  # keyword settings as bound, defaults included


@dataclass(frozen=True)
class Task:
    """Examples and the objective they are learned with. Several tasks are stepped together.

    Args:
        objective: a name of the catalogue (`dpo`), `package.module:function`, or the function itself
            (`partial(dpo, beta=0.05)`).
        weight: factor of this task's average in the step's loss.
        batch: examples per step.
        average: `per_sequence` or `per_token`; by default what the objective's result is annotated with.
    """

    name: str
    examples: Sequence[Example]
    objective: str | Objective
    weight: float = 1.0
    batch: int = 16
    average: Literal["per_sequence", "per_token"] | None = None
