"""Complements: what a prompt leaves unsaid and an answer gets better by, written by a model, kept by judged gain.

Source: Zheng et al. 2024, PAS (arXiv:2407.06027), section 3: pairs of prompt and complement are made by a model and
checked by one; a small model is fitted on them and writes the complement of any prompt for any model.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from truenorth.base import seed_of
from truenorth.judges import Judge
from truenorth.models.guidelines import Find, with_guidance
from truenorth.models.protocol import Model, Tick
from truenorth.records import Group, Prompt, Row, Source
from truenorth.synth.answers import as_answer
from truenorth.synth.asking import Said, part_seed, request, say
from truenorth.synth.filters import Filtered, filtered, last_turn, row_prompt
from truenorth.synth.magpie import system_opening

ASKED = (
    "Request: {prompt}\n\nWrite one sentence to go with this request, saying what a good answer must mind. Do not "
    "answer it and do not change what it asks for. Reply with the sentence alone."
)
NOTHING = "Nothing."  # the complement of a prompt that needs none


class Tried(NamedTuple):
    """A complement of a prompt, and the judge's mean score of the answers under it."""

    text: str
    score: float


def own_complements(
    model: Model, *, draws: int = 64, least: int = 2, max_tokens: int = 32, seed: int = 0
) -> list[str]:
    """What a chat model writes in the system's place of its own template at least `least` times, commonest first."""
    opening = system_opening(getattr(model, "tokenizer", None))
    [found] = say(model, [opening.prefix], draws, stop=[opening.end], max_tokens=max_tokens, seed=seed)
    often = Counter(one.text for one in found if not one.fault)
    return [text for text, times in often.most_common() if times >= least]


def asked_complements(
    model: Model,
    prompts: Sequence[Row],
    n: int,
    *,
    template: str = ASKED,
    max_tokens: int = 48,
    seed: int = 0,
    tick: Tick | None = None,
) -> list[list[str]]:
    """Up to `n` different complements of each prompt, asked of the model."""
    asked = [request(template, {"prompt": last_turn(row)}) for row in prompts]
    found = say(model, asked, n, max_tokens=max_tokens, seed=part_seed(seed, "complements"), tick=tick)
    return [list(dict.fromkeys(one.text for one in group if not one.fault)) for group in found]


def some_of(texts: Sequence[str], prompts: Sequence[Row], n: int, *, seed: int = 0) -> list[list[str]]:
    """`n` of the texts for each prompt, drawn by seed."""
    return [sorted(texts, key=partial(seed_of, "complement", seed, row.id))[:n] for row in prompts]


def complements(
    model: Model,
    judge: Judge,
    prompts: Sequence[Row],
    candidates: Sequence[Sequence[str]],
    *,
    n: int = 2,
    margin: float = 0.3,
    fine: float = 0.7,
    max_tokens: int = 64,
    seed: int = 0,
    tick: Tick | None = None,
) -> Filtered:
    """Rows (prompt, completion, gain): the complement under which `n` answers gain most over `n` without.

    Gain is in the judge's mean score; where none gains `margin` and the answers without score `fine` already, the
    complement is "Nothing.".

    Reasons: "no verdict", "no gain" (the answers are not fine, and no complement mends them).
    """
    say_n = partial(say, model, n=n, max_tokens=max_tokens, seed=seed, tick=tick)
    bare = _scores(judge, prompts, say_n([row_prompt(row) for row in prompts]))
    flat = [(row, text) for row, texts in zip(prompts, candidates, strict=True) for text in texts]
    told = _scores(
        judge, [row for row, _ in flat], say_n([with_guidance(row_prompt(row), text) for row, text in flat])
    )
    tried: dict[str, list[Tried]] = {}
    for (row, text), score in zip(flat, told, strict=True):
        if score is not None:  # without a verdict it was not tried
            tried.setdefault(row.id, []).append(Tried(text, score))
    kept, reasons = [], []
    for row, before in zip(prompts, bare, strict=True):
        if before is None:
            reasons.append("no verdict")
            continue
        best = max(tried.get(row.id, []), key=lambda one: one.score, default=Tried(NOTHING, before))
        gain = best.score - before
        if gain < margin and before < fine:
            reasons.append("no gain")
            continue
        text = best.text if gain >= margin else NOTHING
        data = {"prompt": row_prompt(row), "completion": as_answer(row_prompt(row), text)}
        about = Source("complement", model=model.name, judge=judge.name, seed=seed, parents=(row.id,))
        kept.append(Row({**data, "gain": gain if text != NOTHING else 0.0}, about))
    return filtered(kept, reasons)


def _scores(judge: Judge, rows: Sequence[Row], said: Sequence[Sequence[Said]]) -> list[float | None]:
    """The judge's mean score of what was said to each prompt without its complement; None without a verdict."""
    groups = [
        Group(row_prompt(row), [one.text for one in group if not one.fault])
        for row, group in zip(rows, said, strict=True)
    ]
    found = []
    for judgements in judge.judge(groups):
        scores = [one.score for one in judgements if one.score is not None]
        found.append(sum(scores) / len(scores) if scores else None)
    return found


def written_by(writer: Model, *, max_tokens: int = 48, seed: int = 0) -> Find:
    """What `with_guidelines` looks up: the writer's likeliest complement, none where that is "Nothing."."""

    def find(prompts: Sequence[Prompt]) -> list[tuple[str, ...]]:
        found = say(writer, prompts, max_tokens=max_tokens, temperature=0.0, seed=seed)
        return [() if one.fault or one.text == NOTHING else (one.text,) for [one] in found]

    return find
