"""Ask any model to choose one of a few options: from log-probabilities, structured output, or its own words.

One road a model, found once: a local model and an endpoint that serves log-probabilities give a share for every
option; an endpoint that takes a JSON schema gives one option; else the reply is read, and what cannot be read is
counted. "No answer" is never an option.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, get_args

from truenorth.base import UserError
from truenorth.judges._verdicts import local_verdicts
from truenorth.records import Completion, Prompt

Road = Literal["logprobs", "structured", "parsed"]
How = Literal["auto", "logprobs", "structured", "parsed"]
READ = ("stop", "length")
LAST = re.compile(r"\[\[\s*([^\[\]]{1,40}?)\s*\]\]")


class Answer(NamedTuple):
    """What came back. `shares`: option -> probability, summing to 1; None: no answer, and `failure` says why."""

    shares: dict[str, float] | None
    failure: str = ""  # "errors", "refusals", "unreadable", "undecided"
    raw: str = ""

    @property
    def choice(self) -> str | None:
        """The likeliest option; None without an answer, or where two are equally likely."""
        if self.shares is None:
            return None
        first, *rest = sorted(self.shares, key=lambda o: -self.shares[o])  # type: ignore[index]
        return None if rest and self.shares[rest[0]] == self.shares[first] else first


@dataclass(frozen=True)
class Asker:
    """A model, and the road by which it is asked.

    Args:
        how: "auto" takes the first road of log-probabilities, structured output and parsing that works.
        least: least probability of all options together; below it the model said something else: "undecided".
        attempts: how often an unreadable reply is asked for, each time with another seed.
        counts: requests, verdicts and failures so far, by kind, and the road taken.

    Raises:
        UserError: `how` is none of the roads.
    """

    model: Any
    how: How = "auto"
    least: float = 0.0
    attempts: int = 2
    max_tokens: int = 60
    seed: int = 0
    counts: Counter[str] = field(default_factory=Counter, compare=False)
    _state: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.how not in get_args(How):
            raise UserError(f"how={self.how!r}", where="judge", expected="one of " + ", ".join(get_args(How)))

    def ask(self, requests: Sequence[Prompt], options: Sequence[str]) -> list[Answer]:
        """One answer a request, in order; equal requests are asked once.

        Raises:
            UserError: options that are not distinct, or a road that this model does not have.
        """
        if len({o.strip().lower() for o in options}) != len(options):
            raise UserError(f"options {list(options)} are not distinct", where="judge")
        keys = [json.dumps(r if isinstance(r, str) else [dict(m) for m in r]) for r in requests]
        unique = dict(zip(keys, requests))
        answers = dict(zip(unique, self._answers(list(unique.values()), options))) if unique else {}
        self.counts["requests"] += len(unique)
        for key in keys:
            self.counts[answers[key].failure or "verdicts"] += 1
        return [answers[key] for key in keys]

    def _answers(self, requests: list[Prompt], options: Sequence[str]) -> list[Answer]:
        for road in self._roads():
            found = {"logprobs": self._logprobs, "structured": self._structured, "parsed": self._parsed}[
                road
            ](requests, options)
            if found is not None:
                self._state["road"] = road
                self.counts[f"road: {road}"] += 1
                return found
        raise UserError(f"it cannot be asked by {self.how}", where=self.model.name, fix="another `how`")

    def _roads(self) -> Sequence[Road]:
        if "road" in self._state:
            return [self._state["road"]]
        return ("logprobs", "structured", "parsed") if self.how == "auto" else [self.how]

    def _logprobs(self, requests: list[Prompt], options: Sequence[str]) -> list[Answer] | None:
        """None: this model has none to give."""
        try:
            found = self._option_logprobs(requests, options)
        except UserError as error:
            if self.how == "auto" and "no log-probabilities" in str(error):
                return None
            raise
        if found is None or (self.how == "auto" and "road" not in self._state and not any(found)):
            return None
        return [self._shares(row, options) for row in found]

    def _option_logprobs(
        self, requests: list[Prompt], options: Sequence[str]
    ) -> Sequence[Mapping[str, float] | None] | None:
        if not hasattr(self.model, "answer_logprobs"):
            return None
        if hasattr(self.model, "encode_continuations"):
            return local_verdicts(self.model, requests, options)
        return self.model.answer_logprobs(requests, options)

    def _shares(self, row: Mapping[str, float] | None, options: Sequence[str]) -> Answer:
        """An option left out of the endpoint's list is less likely than any on it: 0."""
        if row is None:
            return Answer(None, "errors")
        mass = {o: math.exp(row.get(o, -math.inf)) for o in options}
        whole = sum(mass.values())
        if whole <= self.least or whole == 0:
            return Answer(None, "undecided", f"the options have probability {whole:.2g}")
        return Answer({o: m / whole for o, m in mass.items()}, "", f"of {whole:.2g}")

    def _structured(self, requests: list[Prompt], options: Sequence[str]) -> list[Answer] | None:
        """None: the endpoint rejects JSON schemas."""
        if not hasattr(self.model, "asking"):
            return None
        names = [o.strip() for o in options]
        schema = {
            "type": "object",
            "properties": {"verdict": {"type": "string", "enum": names}},
            "required": ["verdict"],
            "additionalProperties": False,
        }
        shape = {"type": "json_schema", "json_schema": {"name": "verdict", "strict": True, "schema": schema}}
        replies = [r for [r] in self._sample(self.model.asking(response_format=shape), requests, 0)]
        if replies and all(r.finish == "error" and r.error.startswith("rejected") for r in replies):
            return None
        return [read_reply(reply, options) for reply in replies]

    def _parsed(self, requests: list[Prompt], options: Sequence[str]) -> list[Answer]:
        answers = [Answer(None, "errors")] * len(requests)
        todo = list(range(len(requests)))
        for attempt in range(self.attempts):
            replies = self._sample(self.model, [requests[i] for i in todo], attempt) if todo else []
            for i, [reply] in zip(todo, replies):
                answers[i] = read_reply(reply, options)
            todo = [i for i in todo if answers[i].failure == "unreadable"]
        return answers

    def _sample(self, model: Any, requests: list[Prompt], attempt: int) -> list[list[Completion]]:
        temperature = 0.7 if attempt else 0.0
        return model.sample(
            requests, max_tokens=self.max_tokens, temperature=temperature, seed=self.seed + attempt
        )


def read_reply(reply: Completion, options: Sequence[str]) -> Answer:
    """The option that a reply names: as JSON, in double brackets, or alone. Two that differ are no answer."""
    if reply.finish not in READ:
        return Answer(None, "refusals" if reply.finish == "refusal" else "errors", reply.error or reply.text)
    choice = named_option(reply.text, options)
    if choice is None:
        return Answer(None, "unreadable", reply.text)
    return Answer({o: float(o == choice) for o in options}, "", reply.text)


def named_option(text: str, options: Sequence[str]) -> str | None:
    """See `read_reply`.

    >>> named_option("The first is better. [[A]]", ["A", "B"]), named_option("A or B", ["A", "B"])
    ('A', None)
    """
    known = {o.strip().lower(): o for o in options}
    found = {str(v).strip().lower() for v in _json_verdicts(text)} or {m.lower() for m in LAST.findall(text)}
    if found:
        return known.get(found.pop()) if len(found) == 1 else None
    return known.get(re.sub(r"^\W+|\W+$", "", text).lower())


def _json_verdicts(text: str) -> list[Any]:
    """The "verdict" (or "score") of every JSON object in a text."""
    found, decoder, at, tried = [], json.JSONDecoder(), text.find("{"), 0
    while at >= 0 and tried < 50:
        tried += 1
        try:
            value, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            end = at + 1
        else:
            if isinstance(value, dict):
                found += [value[k] for k in ("verdict", "score") if k in value]
        at = text.find("{", end)
    return found
