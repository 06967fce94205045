"""The same lessons under diverse system prompts, as many under each, so that none of them decides how to behave."""

from __future__ import annotations

from collections.abc import Sequence

from truenorth.base import UserError, seed_of
from truenorth.recipes.run_limits import Filled
from truenorth.recipes.run_rows import as_lesson
from truenorth.recipes.run_work import Have, Load, Pairs, Work
from truenorth.recipes.settings import Settings
from truenorth.records import Message, Prompt, Row, Source, as_messages


def mixture(pairs: Pairs, work: Work, *, systems: Filled, plain: bool = True) -> Pairs:
    """Each row under one of the system prompts, in turn.

    The learner packs the rows of a batch into one sequence in which none sees another: a batch of as many rows as there
    are system prompts is an instruction of each, concatenated.

    Args:
        systems: the prompts; those of an evaluation should be among them.
        plain: as many rows stay as they are, under none.

    Source: Xu et al. 2024, Mixture-of-Instructions (arXiv:2404.18410).

    Raises:
        UserError: prompts that are plain text, or that have a system prompt.
    """
    told = [*systems, *([""] if plain else [])]
    rows = sorted(pairs, key=lambda row: seed_of("mixture", work.settings.seed, row.id))
    return [_under(row, told[i % len(told)]) for i, row in enumerate(rows)]


def _under(row: Row, system: str) -> Row:
    source = Source("mixture", parents=(row.id,), principle=row.source.principle, note=system)
    return as_lesson(Row({**row.data, "prompt": with_system(row.data["prompt"], system)}, source))


def with_system(prompt: Prompt, system: str) -> Prompt:
    """The prompt under a system prompt; "" leaves it as it is."""
    if not system:
        return prompt
    turns = as_messages(prompt)
    if turns[0]["role"] == "system":
        raise UserError("a prompt has a system prompt already", where="mixture", fix="give prompts without")
    first: Message = {"role": "system", "content": system}
    return [first, *turns]


def forecast(rows: Sequence[float], settings: Settings, **given: object) -> Load:
    return Load(rows[0])


def lacks(have: Have, **settings: object) -> str:
    return "" if have.chats else "needs a chat template with system turns"
