"""Pairs without a judge: one prompt is answered under a good guideline and under its opposite.

Source: Yang et al. 2023, "RLCD: reinforcement learning from contrastive distillation" (arXiv:2307.12950), section 3.
The label is known from how the answers were made, so what matters is whether the guidelines changed them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, NamedTuple

from truenorth.base import UserError, seed_of
from truenorth.models.guidelines import with_guidance
from truenorth.models.protocol import Model, Tick
from truenorth.records import Message, Prompt, Row, Source, as_messages
from truenorth.synth.asking import Said, gathered, say
from truenorth.synth.dedupe import normalise
from truenorth.synth.filters import Filtered, row_prompt
from truenorth.synth.guided import Told
from truenorth.synth.pairs import as_pair

Place = Literal["system", "user"]


class Opposites(NamedTuple):
    """A guideline and its contrary, of one principle."""

    good: str
    bad: str
    principle: str = ""


def contrast(
    model: Model,
    prompts: Sequence[Row],
    guidelines: Sequence[Opposites],
    *,
    place: Place = "system",
    n: int = 1,
    gap: float = 0.0,
    leak: int = 6,
    constitution: str = "",
    temperature: float = 1.0,
    max_tokens: int = 64,
    seed: int = 0,
    tick: Tick | None = None,
) -> Filtered:
    """Preference rows (prompt, chosen, rejected), `n` a prompt, each under a pair of guidelines drawn by seed.

    Exchanging good and bad in every guideline exchanges chosen and rejected in every row. Reasons, one for each
    pair that was not made: the faults of a reply, "same" (both answers say the same), "leak" (an answer repeats
    its guideline), "no contrast" (see `gap`).

    Args:
        place: where the guideline stands: in the system turn, or after the user's words in brackets.
        gap: least difference, in nats a token of the chosen answer, of its log-probability under either
            guideline: less, and the guideline did not matter. 0 asks for no log-probabilities.

    Raises:
        UserError: no guidelines, or an unknown place.
    """
    if not guidelines or place not in ("system", "user"):
        what = "no guidelines" if not guidelines else f"place {place!r}"
        raise UserError(what, where="contrast", expected="one pair of guidelines or more; system or user")
    drawn = [guidelines[seed_of("contrast", seed, row.id) % len(guidelines)] for row in prompts]
    asked = [
        under(row_prompt(row), side, place) for row, g in zip(prompts, drawn, strict=True) for side in g[:2]
    ]
    replies = say(model, asked, n, max_tokens=max_tokens, temperature=temperature, seed=seed, tick=tick)
    couples = [
        (k, good, bad)
        for k in range(len(prompts))
        for good, bad in zip(replies[2 * k], replies[2 * k + 1], strict=True)
    ]
    faults = [_fault(drawn[k], good, bad, leak) for k, good, bad in couples]
    if gap:
        open_ = [i for i, fault in enumerate(faults) if not fault]
        told = [(asked[2 * k], asked[2 * k + 1], good.text) for k, good, _ in (couples[i] for i in open_)]
        for i, alike in zip(open_, _alike(model, told, gap), strict=True):
            faults[i] = "no contrast" if alike else ""

    about = Source("contrast", "inductive_bias", model=model.name, constitution=constitution, seed=seed)

    def made(k: int, good: Said, bad: Said) -> Row:
        told, row = drawn[k], prompts[k]
        note = f"under {told.good!r} and {told.bad!r}"
        source = replace(about, principle=told.principle, parents=(row.id,), note=note)
        return as_pair(row_prompt(row), good.text, bad.text, source)

    return gathered(fault or made(*couple) for fault, couple in zip(faults, couples, strict=True))


def under(prompt: Prompt, guideline: str, place: Place) -> list[Message]:
    """The prompt with a guideline at its place; an empty guideline leaves the prompt as it is."""
    turns = as_messages(prompt)
    if not guideline or place == "system":
        return with_guidance(turns, guideline) if guideline else turns
    last = max(i for i, m in enumerate(turns) if m["role"] == "user")
    said: Message = {"role": "user", "content": f"{turns[last]['content']} ({guideline})"}
    return [*turns[:last], said, *turns[last + 1 :]]


def _fault(guidelines: Opposites, good: Said, bad: Said, leak: int) -> str:
    """Why two answers make no pair, or ""."""
    if good.fault or bad.fault:
        return good.fault or bad.fault
    if normalise(good.text) == normalise(bad.text):
        return "same"
    sides = ((good, guidelines.good), (bad, guidelines.bad))
    return "leak" if any(Told.of(told, leak).shows_in(one.text) for one, told in sides) else ""


def _alike(model: Model, told: Sequence[tuple[Prompt, Prompt, str]], gap: float) -> list[bool]:
    """Of (prompt under one guideline, under the other, answer): is the answer as likely, to `gap` nats a token?"""
    scored = model.logprobs([(prompt, text) for good, bad, text in told for prompt in (good, bad)])
    return [
        abs(own.total - other.total) < gap * max(1, len(own.tokens))
        for own, other in zip(scored[::2], scored[1::2], strict=True)
    ]
