"""Ask a model and read what it says: a reply is text that can be used, or has a fault that is counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

from truenorth.base import seed_of
from truenorth.judges._prompts import plain_key
from truenorth.judges.checks.no_repeat import no_repeat
from truenorth.judges.logprob import fill
from truenorth.models.protocol import Model, Tick
from truenorth.records import Completion, Message, Prompt, Row
from truenorth.synth.filters import Filtered, filtered

FAULTS = {"error": "error", "refusal": "refused", "length": "cut off"}
LOOPS = 0.5  # share of word triples said again, from which a long reply goes round in circles
LONG = 12  # words; a shorter reply may repeat itself


class Said(NamedTuple):
    """One reply. `fault` is "" or why it cannot be used: error, refused, cut off, blank, repeated."""

    text: str
    fault: str = ""
    logprob: float | None = None  # nats, as in Completion


def read(one: Completion, begin: str = "") -> Said:
    """The words of a completion (behind `begin`) without spaces around them, and its fault if it has one."""
    text = (begin + one.text).strip() if one.text.strip() else ""
    fault = FAULTS.get(one.finish, "") or ("" if text else "blank") or ("repeated" if loops(text) else "")
    return Said(text, fault, one.logprob)


def loops(text: str) -> bool:
    """Most of a text of some length has been said before in it.

    >>> loops("the sea and " * 9), loops("No, no, no.")
    (True, False)
    """
    if len(text.split()) < LONG:
        return False
    distinct = no_repeat("", text, n=3)
    return distinct is not None and distinct < 1 - LOOPS


def request(template: str, values: Mapping[str, str]) -> list[Message]:
    """One user turn: the template with each {name} filled in once, so that braces in the values stay."""
    return [{"role": "user", "content": fill(template, values)}]


def say(
    model: Model,
    requests: Sequence[Prompt],
    n: int = 1,
    *,
    max_tokens: int = 64,
    temperature: float = 1.0,
    top_p: float = 1.0,
    seed: int = 0,
    stop: Sequence[str] = (),
    begins: Sequence[str] = (),
    tick: Tick | None = None,
) -> list[list[Said]]:
    """`n` replies to each request, in the order asked. No requests, no call.

    Args:
        begins: how the reply to each request begins, where the request ends with it already.
    """
    if not requests or n < 1:
        return [[] for _ in requests]
    drawn = model.sample(
        requests,
        n,
        max_tokens=max_tokens,
        temperature=temperature,
        top_p=top_p,
        seed=seed,
        stop=stop,
        tick=tick,
    )
    begun = begins or [""] * len(requests)
    return [[read(one, begin) for one in group] for group, begin in zip(drawn, begun, strict=True)]


def say_apart(
    model: Model,
    requests: Sequence[Prompt],
    n: int = 1,
    *,
    groups: Sequence[int] = (),
    begins: Sequence[str] = (),
    **settings: Any,
) -> list[list[Said]]:
    """As `say`, but equal requests get draws of their own: the second one the draws after those of the first.

    Args:
        groups: of the requests; only equal requests of one group are told apart, so that what a group is answered
            does not depend on the others. By default all are one group.
    """
    keys = [f"{g} {plain_key(r)}" for g, r in zip(groups or [0] * len(requests), requests, strict=True)]
    begun = begins or [""] * len(requests)
    found: dict[str, list[Said]] = {}
    often = Counter(keys)
    for times in sorted(set(often.values())):
        some = {k: (r, b) for k, r, b in zip(keys, requests, begun, strict=True) if often[k] == times}
        asked, starts = [r for r, _ in some.values()], [b for _, b in some.values()]
        found |= zip(some, say(model, asked, n * times, begins=starts, **settings), strict=True)
    left = {key: iter(said) for key, said in found.items()}
    return [list(islice(left[key], n)) for key in keys]


def gathered(made: Iterable[Row | str]) -> Filtered:
    """Rows as they are, and what stands in place of a row as the reason why there is none.

    A row that is made twice, word for word and from the same parents, stands once; the others are "repeated".
    """
    kept: dict[str, Row] = {}
    reasons: list[str] = []
    for one in made:
        if isinstance(one, str):
            reasons.append(one)
        elif one.id in kept:
            reasons.append("repeated")
        else:
            kept[one.id] = one
    return filtered(list(kept.values()), reasons)


def part_seed(seed: int, *parts: object) -> int:
    """A seed for one part of a maker's draws, small enough for any endpoint."""
    return seed_of(seed, *parts) % 2**31
