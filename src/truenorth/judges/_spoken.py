"""Completions that say something, and what is judged of them put back beside those that do not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from truenorth.records import Group, Judgement, Prompt


def spoken(groups: Sequence[Group]) -> list[tuple[Prompt, str]]:
    """(prompt, completion) of every completion that is not empty, in the order asked."""
    return [(g.prompt, c) for g in groups for c in g.completions if c.strip()]


def put_back(
    groups: Sequence[Group], judged: Iterable[Judgement], *, judge: str, principle: str = ""
) -> list[list[Judgement]]:
    """A judgement per completion: of those that are `spoken` their own, in order; of an empty one no answer."""
    left = iter(judged)
    empty = Judgement(None, judge, principle, reason="empty completion")
    return [[next(left) if c.strip() else empty for c in g.completions] for g in groups]
