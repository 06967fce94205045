"""Pairs without a judge: one prompt is answered under a good guideline and under its opposite.

Source: Yang et al. 2023, "RLCD: reinforcement learning from contrastive distillation" (arXiv:2307.12950), section 3.
The label is known from how the answers were made, so what matters is whether the guidelines changed them.
"""

from __future__ import annotations

from collections.abc import Sequence
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
        told = [(asked[2 * couples[i][0] + side], couples[i][1].text) for i in open_ for side in (0, 1)]
        found = model.logprobs(told)
        for i, own, other in zip(open_, found[::2], found[1::2], strict=True):
            if abs(own.total - other.total) < gap * max(1, len(own.tokens)):
                faults[i] = "no contrast"

    def made(k: int, good: Said, bad: Said) -> Row:
        source = Source(
            "contrast",
            "inductive_bias",
            model=model.name,
            principle=drawn[k].principle,
            constitution=constitution,
            seed=seed,
            parents=(prompts[k].id,),
            note=f"under {drawn[k].good!r} and {drawn[k].bad!r}",
        )
        return as_pair(row_prompt(prompts[k]), good.text, bad.text, source)

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
