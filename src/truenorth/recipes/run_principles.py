"""Principles of the constitution as a judge that reads them is told: "private", or its contrary, "not private"."""

from __future__ import annotations

from collections.abc import Sequence

from truenorth.base import UserError
from truenorth.judges import Judge
from truenorth.learn.principles import PrincipledJudge
from truenorth.recipes.run_work import Work

NOT = "not "
CONTRARY = "Break this: {principle}"


def definition(work: Work, name: str) -> str:
    """What is asked of answers: the guidance of a principle, else its statement."""
    found = work.job.constitution.principle(name)
    return str(found.guidance or found.statement)


def negative(work: Work, name: str) -> str:
    return CONTRARY.replace("{principle}", definition(work, name))


def under(judge: Judge, names: Sequence[str], work: Work) -> Judge:
    """The judge, asked under these principles, each by its name or with "not" before it.

    Raises:
        UserError: a name that no principle has.
    """
    known = [p.id for p in work.job.constitution.principles]
    for name in names:
        if name.removeprefix(NOT) not in known:
            raise UserError(f"no principle {name!r}", where="under", expected=", ".join(known))
    told = [
        negative(work, name.removeprefix(NOT)) if name.startswith(NOT) else definition(work, name)
        for name in names
    ]
    return PrincipledJudge(judge, tuple(told))
