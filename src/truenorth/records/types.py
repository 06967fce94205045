"""What travels between floors: prompts, completions, judgements, and where each of them came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, NamedTuple, TypedDict

from truenorth.base import content_hash

Role = Literal["system", "user", "assistant", "tool"]
Family = Literal["inductive_bias", "imitation", "model_feedback", "environment", "people"]


class Message(TypedDict):
    """One turn of a chat, in the OpenAI and transformers shape."""

    role: Role
    content: str


# A prompt is a chat (the model's template is applied) or plain text (continued as it stands).
Prompt = str | Sequence[Message]


class Completion(NamedTuple):
    """One answer of a model. `finish` is how it ended; an answer that never came is `error`, not ""."""

    text: str
    tokens: tuple[int, ...] = ()
    logprob: float | None = None  # nats, summed over tokens, at the temperature it was sampled with
    finish: Literal["stop", "length", "refusal", "error"] = "stop"
    error: str = ""


class Scored(NamedTuple):
    """Log-probabilities of one given completion under a model, in nats, the end-of-turn token included."""

    total: float
    tokens: tuple[float, ...]


class Group(NamedTuple):
    """Several completions of one prompt, judged together."""

    prompt: Prompt
    completions: Sequence[str]


class Judgement(NamedTuple):
    """What a judge says of one completion. `score` None means "no answer": never 0, never a tie."""

    score: float | None
    judge: str
    principle: str = ""  # the principle that decided, where one did
    reason: str = ""  # why, or why there is no score
    raw: str = ""  # what the judge literally said
    parts: tuple[Judgement, ...] = ()  # a composite's members, in order


@dataclass(frozen=True)
class Source:
    """Where a row came from. Every generated row carries one; `truenorth why` walks `parents` upwards."""

    producer: str  # the step or person: "magpie", "sample", "judge:harbour", "human:seed"
    family: Family = "model_feedback"
    model: str = ""  # name and revision
    judge: str = ""
    principle: str = ""
    constitution: str = ""  # name, version and hash
    seed: int | None = None
    parents: tuple[str, ...] = ()  # ids of rows
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it: parents in a list."""
        return asdict(self) | {"parents": list(self.parents)}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Source:
        """What `to_dict` made."""
        return cls(**{**value, "parents": tuple(value.get("parents", ()))})


@dataclass(frozen=True)
class Row:
    """A row of data: TRL's columns in `data` (prompt, completion, chosen, rejected, label, ...),
    and its source.

    The id is a hash of the content, so equal rows are equal and a row cannot be changed under its id.
    """

    data: dict[str, Any]
    source: Source
    id: str = field(default="")

    def __post_init__(self) -> None:
        if not self.id:
            key = {"data": self.data, "source": self.source.to_dict()}
            object.__setattr__(self, "id", content_hash(key))

    def to_dict(self) -> dict[str, Any]:
        """As a table has it: the columns of `data` between `id` and `source`."""
        return {"id": self.id, **self.data, "source": self.source.to_dict()}


def as_messages(prompt: Prompt) -> list[Message]:
    """A prompt as a chat: plain text becomes one user turn."""
    return [{"role": "user", "content": prompt}] if isinstance(prompt, str) else list(prompt)


def prompt_text(prompt: Prompt) -> str:
    """The words of a prompt without roles, for checks and features; turns joined by newlines."""
    return prompt if isinstance(prompt, str) else "\n".join(m["content"] or "" for m in prompt)
