"""Critique and revision: a model finds the fault in an answer and writes a better one, principle by principle."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from truenorth.base import seed_of
from truenorth.judges._prompts import asked
from truenorth.models.protocol import Model, Tick
from truenorth.records import Completion, Message, Prompt

CRITIQUE = (
    "Question: {prompt}\n\nAnswer: {answer}\n\nRule: {principle}\n\n"
    "In one sentence: how does the answer break the rule? Say so if it does not."
)
REVISION = (
    "Question: {prompt}\n\nAnswer: {answer}\n\nRule: {principle}\n\nFault: {critique}\n\n"
    "Write a better answer to the question, one that keeps the rule. Write the answer and nothing else."
)


class Templates(NamedTuple):
    """How a critique and a revision are asked for: {prompt}, {answer}, {principle} and {critique} are filled in."""

    critique: str = CRITIQUE
    revision: str = REVISION


class Revision(NamedTuple):
    """What came of one draft. `principle` is the index of the one it was held against."""

    draft: str
    principle: int
    critique: Completion
    revised: Completion


PLAINLY = Templates()


def revise(
    model: Model,
    drafts: Sequence[tuple[Prompt, str]],
    principles: Sequence[str],
    *,
    templates: Templates = PLAINLY,
    rounds: int = 1,
    max_tokens: int = 64,
    temperature: float = 1.0,
    seed: int = 0,
    tick: Tick | None = None,
) -> list[Revision]:
    """Each draft critiqued and revised by the model, against one principle a round, drawn at random.

    A critique or a revision that did not come to an end leaves the draft as it was, for the next round.

    Args:
        principles: statements to hold drafts against; at least one.
        rounds: how often, at least once; a later round revises what the one before wrote.
        tick: called with the number of drafts done, twice a round.

    Returns:
        What the last round came to, draft by draft.

    Source: Bai et al. 2022, "Constitutional AI" (arXiv:2212.08073), section 3.1.
    """
    found: list[Revision] = []
    current = list(drafts)
    for turn in range(rounds):
        say = partial(_say, model, max_tokens, temperature, seed_of("revise", seed, turn) % 2**31, tick)
        which = [seed_of("principle", seed, turn, asked(p), text) % len(principles) for p, text in drafts]
        held = [(*draft, principles[i]) for draft, i in zip(current, which, strict=True)]
        critiques = say([_request(templates.critique, *one) for one in held])
        faults = [c.text.strip() for c in critiques]
        better = say([_request(templates.revision, *one, c) for one, c in zip(held, faults, strict=True)])
        found = [
            Revision(text, i, critique, new)
            for (_, text), i, critique, new in zip(current, which, critiques, better, strict=True)
        ]
        current = [
            (prompt, one.revised.text.strip() if _ended(one) else text)
            for (prompt, text), one in zip(current, found, strict=True)
        ]
    return found


def _say(
    model: Model,
    max_tokens: int,
    temperature: float,
    seed: int,
    tick: Tick | None,
    requests: Sequence[Prompt],
) -> list[Completion]:
    drawn = model.sample(requests, 1, max_tokens=max_tokens, temperature=temperature, seed=seed, tick=tick)
    return [group[0] for group in drawn]


def _ended(one: Revision) -> bool:
    return one.critique.finish == one.revised.finish == "stop" and bool(one.revised.text.strip())


def _request(template: str, prompt: Prompt, answer: str, principle: str, critique: str = "") -> list[Message]:
    """One pass, so that braces in what people and models wrote stay as they are."""
    filled = {"prompt": asked(prompt), "answer": answer, "principle": principle, "critique": critique}
    text = re.sub(r"\{(prompt|answer|principle|critique)\}", lambda found: filled[found[1]], template)
    return [{"role": "user", "content": text}]
