"""Pairs from strength: answers of better-off models are taken to be better, and a filter removes what is not so.

Source: Kim et al. 2023, "Aligning large language models through synthetic feedback" (ALMoST, arXiv:2305.13735),
sections 2.1 and 2.2: larger above smaller models, more above fewer examples, better above worse ones; then a filter
on form and lengths, and agreement with a reward model that was trained on the pairs as they were.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from truenorth.base import UserError
from truenorth.judges import Judge
from truenorth.models.protocol import Model, Tick
from truenorth.records import Group, Row, Source
from truenorth.synth.answers import answer_text
from truenorth.synth.asking import gathered, part_seed
from truenorth.synth.candidates import by_prompt
from truenorth.synth.comparisons import same
from truenorth.synth.filters import Filtered, filtered, row_prompt
from truenorth.synth.guided import guided
from truenorth.synth.pairs import as_pair


class Setup(NamedTuple):
    """A way to answer: a model, with a context and examples (rows prompt, completion) before the question."""

    name: str
    model: Model
    context: str = ""
    shown: tuple[Row, ...] = ()


def answers_by_strength(
    setups: Sequence[Setup],
    prompts: Sequence[Row],
    *,
    n: int = 1,
    temperature: float = 1.0,
    max_tokens: int = 64,
    seed: int = 0,
    tick: Tick | None = None,
) -> Filtered:
    """Rows (prompt, completion, setup): `n` answers of each setup to each prompt. Reasons: those of `guided`.

    Raises:
        UserError: two setups of one name.
    """
    names = [one.name for one in setups]
    if len(set(names)) < len(names):
        raise UserError(f"two setups of one name among {', '.join(names)}", where="strength")
    kept: list[Row] = []
    reasons: list[str] = []
    for one in setups:
        found = guided(
            one.model,
            prompts,
            context=one.context,
            shown=one.shown,
            n=n,
            temperature=temperature,
            max_tokens=max_tokens,
            seed=part_seed(seed, one.name),
            tick=tick,
        )
        kept += [Row({**row.data, "setup": one.name}, row.source) for row in found.kept]
        reasons += [reason for reason, count in found.dropped.items() for _ in range(count)]
    return filtered(kept, reasons)


def pairs_from_strength(
    rows: Sequence[Row],
    order: Sequence[Sequence[str]],
    *,
    judge: Judge | None = None,
    openings: Sequence[str] = (),
    ratio: float = 0.0,
    seed: int = 0,
) -> Filtered:
    """Pairs of answers (rows prompt, completion, setup) to one prompt, the stronger setup's answer chosen.

    Reasons, one for each two answers: "same", "opening" (the chosen answer begins with one of `openings`), "lengths
    differ", "no verdict" and "judge disagrees" (see `judge`); "one answer" for a prompt with nothing to compare.

    Args:
        order: chains of setups, strongest first; together they must have no cycle.
        judge: keeps pairs whose chosen answer it scores higher; the paper's is a reward model trained on the pairs
            that this function gives without one.
        openings: how no chosen answer may begin ("I don't know", "As an AI"), in any case.
        ratio: longest chosen answer, in words, relative to the rejected one, and shortest the other way round; 0 any.

    Raises:
        UserError: a cycle in the order, with it, or a setup of the rows that the order does not name.
    """
    weaker = below(order)
    if unknown := sorted({row.data["setup"] for row in rows} - set(weaker)):
        raise UserError(f"no place for setup {unknown[0]!r}", where="order", expected=", ".join(weaker))
    made: list[Row | str] = []
    couples: list[tuple[Row, Row]] = []
    for group in by_prompt(rows):
        ranked = [(a, b) for a in group for b in group if b.data["setup"] in weaker[a.data["setup"]]]
        made += [] if ranked else ["one answer"]
        faults = [_form(a, b, openings, ratio) for a, b in ranked]
        made += [fault for fault in faults if fault]
        couples += [pair for pair, fault in zip(ranked, faults, strict=True) if not fault]
    scores = _scores(judge, couples)
    for (a, b), verdict in zip(couples, scores, strict=True):
        if judge is None or (verdict is not None and verdict.chosen > verdict.rejected):
            source = Source(
                "strength",
                "imitation",
                model=a.source.model,
                judge=judge.name if judge else "",
                seed=seed,
                parents=(a.id, b.id),
                note=f"{a.data['setup']} above {b.data['setup']}",
            )
            better, worse = (answer_text(row.data["completion"]) for row in (a, b))
            made.append(as_pair(row_prompt(a), better, worse, source))
        else:
            made.append("no verdict" if verdict is None else "judge disagrees")
    return gathered(made)


class Scores(NamedTuple):
    """A judge's, of both answers of a pair."""

    chosen: float
    rejected: float


def _scores(judge: Judge | None, couples: Sequence[tuple[Row, Row]]) -> list[Scores | None]:
    """None without a judge, or without a verdict on either answer."""
    if judge is None or not couples:
        return [None] * len(couples)
    groups = [
        Group(row_prompt(a), [answer_text(row.data["completion"]) for row in (a, b)]) for a, b in couples
    ]
    found = [(x.score, y.score) for x, y in judge.judge(groups)]
    return [None if x is None or y is None else Scores(x, y) for x, y in found]


def _form(chosen: Row, rejected: Row, openings: Sequence[str], ratio: float) -> str:
    """What is wrong with a pair by its form, or ""."""
    if same(chosen, rejected):
        return "same"
    text, other = (answer_text(row.data["completion"]) for row in (chosen, rejected))
    if any(text.lower().startswith(opening.lower()) for opening in openings):
        return "opening"
    long, short = (max(1, len(t.split())) for t in (text, other))
    return "lengths differ" if ratio and not 1 / ratio <= long / short <= ratio else ""


def below(order: Sequence[Sequence[str]]) -> dict[str, frozenset[str]]:
    """Setup -> those that are weaker by any chain, or by several.

    Raises:
        UserError: a cycle.

    >>> sorted(below([["large", "small"], ["small", "tiny"]])["large"])
    ['small', 'tiny']
    """
    names = list(dict.fromkeys(name for chain in order for name in chain))
    under: dict[str, set[str]] = {name: set() for name in names}
    for chain in order:
        for stronger, weaker in pairwise(chain):
            under[stronger].add(weaker)
    for middle in names:  # Warshall's closure
        for name in names:
            if middle in under[name]:
                under[name] |= under[middle]
    if cycle := [name for name in names if name in under[name]]:
        raise UserError(f"{', '.join(cycle)} stand above themselves", where="order", fix="take a chain out")
    return {name: frozenset(found) for name, found in under.items()}
