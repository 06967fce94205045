"""The words of learning: examples in token ids, log-probabilities, and what an objective may ask for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple

import torch
from torch import Tensor


class Answer(NamedTuple):
    """A prompt and its one completion, as token ids. The completion ends with the end-of-turn token."""

    prompt: Sequence[int]
    completion: Sequence[int]


NO_COLUMNS: Mapping[str, Any] = {}


class Example(NamedTuple):
    """A prompt and the completions that share it, as token ids. A pair is (chosen, rejected).

    Ids include BOS and the end-of-turn token where the model wants them. The prompt has one token at least
    (BOS, for a whole document), and so has each completion. `weight` multiplies its part of the average.

    `columns` holds what objectives ask for by name: a number for the example, a sequence with a number for
    each completion, or for each completion a sequence of numbers (one per token, or one per attribute), where
    None stands for "not judged" and reaches the objective as NaN.
    """

    prompt: Sequence[int]
    completions: Sequence[Sequence[int]]
    weight: float = 1.0
    columns: Mapping[str, Any] = NO_COLUMNS


class Logps(NamedTuple):
    """Log-probabilities (nats) of B completions, token by token; 0 past a completion's end."""

    token_BT: Tensor
    mask_BT: Tensor  # True where a token is

    @classmethod
    def of(cls, rows: Sequence[Sequence[float]]) -> Logps:
        """From the log-probs of each completion's tokens: for worked examples and tests."""
        width = max(map(len, rows))
        mask = torch.tensor([[i < len(row) for i in range(width)] for row in rows])
        return cls(torch.tensor([[*row, *[0.0] * (width - len(row))] for row in rows]), mask)

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


class Scores(NamedTuple):
    """What a model with a score head says of B completions, read at each one's last token: K numbers."""

    value_BK: Tensor

    @property
    def one(self) -> Tensor:
        """(B,) the only output; the mean of several."""
        return self.value_BK.mean(1)


class ScorePair(NamedTuple):
    """Scores of B pairs of completions, each of one prompt."""

    chosen: Scores
    rejected: Scores


class TokenScores(NamedTuple):
    """What a model with a score head says after each of T completion tokens: K numbers."""

    value_TK: Tensor


class StatePair(NamedTuple):
    """What a model's body holds after the last token of both texts of B pairs. Costs two passes: pairs of the
    whole batch meet."""

    first_BD: Tensor
    second_BD: Tensor


# What an objective returns, as its annotation says it; decides the average unless a task names one.
Losses = Annotated[Tensor, "per_sequence"]  # (B,) or (G,): each one number, averaged over sequences
TokenLosses = Annotated[Tensor, "per_token"]  # (B,) sums over tokens, or (T,): averaged over tokens
StepLosses = Annotated[Tensor, "per_step"]  # (T,), 0 without a label: averaged over the column's `labels`

Coupling = Literal[
    "answer", "pair", "group", "batch", "distribution", "score", "score_pair", "token_score", "state_pair"
]
SCORED: tuple[Coupling, ...] = ("score", "score_pair", "token_score")  # these train a score head
Average = Literal["per_sequence", "per_token", "per_step"]
Objective = Callable[..., Tensor]


class Needs(NamedTuple):
    """What an objective declares by its signature."""

    coupling: Coupling
    reference: bool
    average: str
    settings: dict[str, Any]  # keyword settings as bound, defaults included
    columns: tuple[str, ...] = ()  # of the examples, by name
    optional: tuple[str, ...] = ()  # those of them that data may lack altogether
    kl: bool = False  # also the divergence of whole distributions at each token, in a parameter `kl`
    models: tuple[str, ...] = ()  # further models whose distributions it reads, by name


@dataclass(frozen=True)
class Task:
    """Examples and the objective they are learned with. Several tasks are stepped together.

    Args:
        objective: a name of the catalogue (`dpo`), `package.module:function`, or the function itself
            (`partial(dpo, beta=0.05)`).
        weight: factor of this task's average in the step's loss.
        batch: examples per step.
        average: `per_sequence`, `per_token` or `per_step`; by default what the objective's result is
            annotated with.
    """

    name: str
    examples: Sequence[Example]
    objective: str | Objective
    weight: float = 1.0
    batch: int = 16
    average: Average | None = None
