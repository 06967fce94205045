"""What an OpenAI-compatible endpoint is asked and what its reply means. No network here."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from truenorth.records import Completion, Prompt, as_messages, prompt_text

Api = Literal["chat", "completions"]
PATHS: dict[Api, str] = {"chat": "/chat/completions", "completions": "/completions"}


class Unreadable(Exception):
    """A reply that says nothing usable. `kind` is "malformed" or "empty"."""

    def __init__(self, kind: str, what: str):
        self.kind = kind
        super().__init__(what)


class Reply(NamedTuple):
    """A whole reply, as it came, with the tokens that were paid for."""

    choice: Mapping[str, Any]
    tokens_in: int
    tokens_out: int


def body(api: Api, model: str, prompt: Prompt, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON of a request. Plain text becomes a user turn, and a chat plain text, as the API needs."""
    said = {"messages": as_messages(prompt)} if api == "chat" else {"prompt": prompt_text(prompt)}
    return {"model": model, **said, **settings}


def read_reply(data: bytes) -> Reply:
    """The first choice of a reply.

    Raises:
        Unreadable: not JSON, not the expected shape, or no choice in it.
    """
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Unreadable("malformed", f"not JSON ({error})") from error
    choices = value.get("choices") if isinstance(value, dict) else None
    if not isinstance(choices, list):
        raise Unreadable("malformed", f"no choices in {data[:200]!r}")
    if not choices or not isinstance(choices[0], dict):
        raise Unreadable("empty", "an empty list of choices")
    usage = value.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    return Reply(choices[0], _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens")))


def completion(reply: Reply) -> Completion:
    """A choice as a Completion; a refusal is a finish of its own.

    Raises:
        Unreadable: no text and no refusal.
    """
    choice = reply.choice
    message = choice.get("message")
    message = message if isinstance(message, dict) else {}
    text = message.get("content", choice.get("text"))
    refusal = message.get("refusal")
    reason = choice.get("finish_reason")
    if refusal or reason == "content_filter":
        said = refusal if isinstance(refusal, str) else text if isinstance(text, str) else ""
        return Completion(said, finish="refusal")
    if text is not None and not isinstance(text, str):
        raise Unreadable("malformed", f"content is {type(text).__name__}")
    if not text:
        raise Unreadable("empty", "an empty completion")
    return Completion(text, finish="length" if reason == "length" else "stop")


def first_token_logprobs(reply: Reply) -> list[tuple[str, float]] | None:
    """(token, log-probability) of the likeliest first tokens of an answer; None: the reply has none."""
    told = reply.choice.get("logprobs")
    if not isinstance(told, dict):
        return None
    try:
        if told.get("content"):  # chat completions
            return [(t["token"], float(t["logprob"])) for t in told["content"][0]["top_logprobs"]]
        if told.get("top_logprobs"):  # completions
            return [(token, float(value)) for token, value in told["top_logprobs"][0].items()]
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise Unreadable("malformed", f"log-probabilities of an unknown shape ({error!r})") from error
    return None


def option_logprobs(tokens: Sequence[tuple[str, float]], options: Sequence[str]) -> dict[str, float] | None:
    """The log-probability of each option that is among the tokens, spaces aside; None: none of them is."""
    found: dict[str, float] = {}
    for option in options:
        values = [value for token, value in tokens if token.strip() == option.strip()]
        if values:
            top = max(values)
            found[option] = top + math.log(sum(math.exp(v - top) for v in values)) if top > -math.inf else top
    return found or None


def echoed_logprobs(reply: Reply, prompt: str) -> tuple[float, ...] | None:
    """Log-probabilities of the echoed tokens behind the prompt; None: the reply has none."""
    told = reply.choice.get("logprobs")
    if not isinstance(told, dict) or not told.get("text_offset") or not told.get("token_logprobs"):
        return None
    return tuple(
        float(value)
        for value, offset in zip(told["token_logprobs"], told["text_offset"])
        if offset >= len(prompt) and value is not None
    )


def _count(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
