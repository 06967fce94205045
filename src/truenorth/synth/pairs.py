"""Preference pairs and best answers from judged completions; ties, duplicates and abstentions make none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from truenorth.base import UserError, seed_of
from truenorth.judges import Judge
from truenorth.judges._prompts import plain_key
from truenorth.records import Judgement, Prompt, Row, Source
from truenorth.synth.answers import as_answer
from truenorth.synth.asking import gathered
from truenorth.synth.candidates import Candidate, candidates, coupled, decided_by, judged
from truenorth.synth.filters import Filtered, row_prompt


def as_pair(prompt: Prompt, chosen: str, rejected: str, source: Source, **columns: Any) -> Row:
    """A preference row in TRL's shape, with further columns beside."""
    sides = {"chosen": as_answer(prompt, chosen), "rejected": as_answer(prompt, rejected)}
    return Row({"prompt": prompt, **sides, **columns}, source)


def pairs_from_scores(
    prompts: Sequence[Row],
    completions: Sequence[Sequence[Row]],
    judgements: Sequence[Sequence[Judgement]],
    *,
    margin: float = 0.0,
    max_pairs: int = 1,
    near_length: float = 0.0,
    seed: int = 0,
    constitution: str = "",
) -> Filtered:
    """Preference rows (prompt, chosen, rejected, score_chosen, score_rejected): best with worst, second best
    with second worst, and so on, while the scores differ by more than `margin`.

    Parents of a pair are its prompt and both completions. The order of completions does not matter. Reasons,
    one for each prompt without a pair: "no scores", "one answer" (only one scored, distinct one), "tie"
    (within the margin), "lengths differ", "not comparable" (the difference is an abstention's).

    Args:
        margin: the least difference, exclusive; 0 drops exact ties only.
        max_pairs: most pairs a prompt.
        near_length: where above 0, a rejected answer is the one nearest in length to its chosen one among those
            that are worse by the margin, and the longer of the two has at most so many times the other's words.

    Raises:
        UserError: a negative margin, no pairs asked for, or a ratio of lengths below 1.
    """
    _check(margin, max_pairs, near_length)
    made: list[Row | str] = []
    for prompt, rows, verdicts in zip(prompts, completions, judgements, strict=True):
        ranked = candidates(rows, verdicts, seed=seed_of(seed, prompt.id))
        made += _pairs(
            row_prompt(prompt),
            (prompt.id,),
            *coupled(ranked, margin, near_length),
            most=max_pairs,
            seed=seed,
            constitution=constitution,
        )
    return gathered(made)


def pairs_from_judge(
    rows: Sequence[Row],
    judge: Judge,
    *,
    margin: float = 0.0,
    max_pairs: int = 1,
    near_length: float = 0.0,
    seed: int = 0,
    constitution: str = "",
) -> Filtered:
    """`pairs_from_scores` of answers in any order (rows prompt, completion), grouped by prompt and judged here.

    With a judge made of the model that answered this is self-judgment. Parents of a pair are its two answers.
    """
    _check(margin, max_pairs, near_length)
    made: list[Row | str] = []
    for group, verdicts in judged(rows, judge):
        asked = row_prompt(group[0])
        ranked = candidates(group, verdicts, seed=seed_of(seed, plain_key(asked)))
        made += _pairs(
            asked,
            (),
            *coupled(ranked, margin, near_length),
            most=max_pairs,
            seed=seed,
            constitution=constitution,
        )
    return gathered(made)


def _check(margin: float, max_pairs: int, near_length: float) -> None:
    if margin < 0 or max_pairs < 1 or 0 < near_length < 1 or near_length < 0:
        what = f"margin {margin}, max_pairs {max_pairs}, near_length {near_length}"
        raise UserError(what, where="pairs", expected="margin >= 0, max_pairs >= 1, near_length 0 or >= 1")


def _pairs(
    prompt: Prompt,
    parents: tuple[str, ...],
    couples: Sequence[tuple[Candidate, Candidate]],
    reason: str,
    *,
    most: int,
    seed: int,
    constitution: str,
) -> list[Row | str]:
    """The first `most` couples that a principle set apart, as rows; else the reason why there is none."""
    rows: list[Row | str] = []
    for chosen, rejected in couples:
        principle = decided_by(chosen.judgement, rejected.judgement)
        if principle is not None:
            source = Source(
                "pairs",
                model=chosen.row.source.model,
                judge=chosen.judgement.judge,
                principle=principle,
                constitution=constitution,
                seed=seed,
                parents=(*parents, chosen.row.id, rejected.row.id),
            )
            scores = {"score_chosen": chosen.score, "score_rejected": rejected.score}
            rows.append(as_pair(prompt, chosen.text, rejected.text, source, **scores))
    return rows[:most] or [reason or "not comparable"]


def best_answers(
    prompts: Sequence[Row],
    completions: Sequence[Sequence[Row]],
    judgements: Sequence[Sequence[Judgement]],
    *,
    at_least: float = 0.5,
    seed: int = 0,
    constitution: str = "",
) -> Filtered:
    """Prompt-completion rows of the best answer to each prompt, if it scores `at_least` that.

    Reasons: "no scores", "too low".
    """
    made: list[Row | str] = []
    for prompt, rows, verdicts in zip(prompts, completions, judgements, strict=True):
        ranked = candidates(rows, verdicts, seed=seed_of(seed, prompt.id))
        made.append(_best(row_prompt(prompt), (prompt.id,), ranked, at_least, seed, constitution))
    return gathered(made)


def best_from_judge(
    rows: Sequence[Row], judge: Judge, *, at_least: float = 0.5, seed: int = 0, constitution: str = ""
) -> Filtered:
    """`best_answers` of answers in any order (rows prompt, completion), grouped by prompt and judged here."""
    made: list[Row | str] = []
    for group, verdicts in judged(rows, judge):
        asked = row_prompt(group[0])
        ranked = candidates(group, verdicts, seed=seed_of(seed, plain_key(asked)))
        made.append(_best(asked, (), ranked, at_least, seed, constitution))
    return gathered(made)


def _best(
    prompt: Prompt,
    parents: tuple[str, ...],
    ranked: Sequence[Candidate],
    at_least: float,
    seed: int,
    constitution: str,
) -> Row | str:
    if not ranked or ranked[0].score < at_least:
        return "too low" if ranked else "no scores"
    best = ranked[0]
    source = Source(
        "best",
        model=best.row.source.model,
        judge=best.judgement.judge,
        principle=best.judgement.principle,
        constitution=constitution,
        seed=seed,
        parents=(*parents, best.row.id),
    )
    return Row({"prompt": prompt, "completion": as_answer(prompt, best.text), "score": best.score}, source)
