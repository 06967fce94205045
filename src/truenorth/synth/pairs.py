"""Preference pairs and best answers from judged completions; ties, duplicates and abstentions make none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from truenorth.base import UserError, seed_of
from truenorth.records import Judgement, Row, Source
from truenorth.synth.answers import answer_text, as_answer
from truenorth.synth.dedupe import normalise
from truenorth.synth.filters import Filtered, filtered, row_prompt


class Candidate(NamedTuple):
    """A completion that has a score."""

    score: float
    text: str
    row: Row
    judgement: Judgement


def candidates(rows: Sequence[Row], judgements: Sequence[Judgement], *, seed: int) -> list[Candidate]:
    """Scored, distinct, non-empty completions, best first; equal scores in an order drawn by seed.

    Of equal texts the first by row id stays; their scores should not differ, and where they do (a judge that
    does not repeat itself) the text is left out.
    """
    found: dict[str, list[Candidate]] = {}
    for row, judgement in zip(rows, judgements, strict=True):
        text = answer_text(row.data["completion"])
        if judgement.score is not None and text.strip():
            one = Candidate(judgement.score, text, row, judgement)
            found.setdefault(normalise(text) or text, []).append(one)
    steady = [
        min(same, key=lambda c: c.row.id) for same in found.values() if len({c.score for c in same}) == 1
    ]
    return sorted(steady, key=lambda c: (-c.score, seed_of(seed, c.text)))


def decided_by(chosen: Judgement, rejected: Judgement) -> str | None:
    """The principle that set two completions apart; "" for judges without principles, None if none did.

    Among principles that answered for both, the one that decided on the rejected answer if it prefers the
    chosen one, else the one that prefers it most. An abstention on one side is no reason to prefer the other.
    """
    if not chosen.parts or not rejected.parts:
        return rejected.principle or chosen.principle
    better = {p.principle: p.score for p in chosen.parts if p.score is not None}
    gaps = {
        p.principle: better[p.principle] - p.score
        for p in rejected.parts
        if p.score is not None and p.principle in better
    }
    if gaps.get(rejected.principle, 0.0) > 0:
        return rejected.principle
    best = max(gaps, key=lambda name: gaps[name], default=None)
    return best if best is not None and gaps[best] > 0 else None


def pairs_from_scores(
    prompts: Sequence[Row],
    completions: Sequence[Sequence[Row]],
    judgements: Sequence[Sequence[Judgement]],
    *,
    margin: float = 0.0,
    max_pairs: int = 1,
    seed: int = 0,
    constitution: str = "",
) -> Filtered:
    """Preference rows (prompt, chosen, rejected, score_chosen, score_rejected): best with worst, second best
    with second worst, and so on, while the scores differ by more than `margin`.

    Parents of a pair are its prompt and both completions. The order of completions does not matter. Reasons,
    one for each prompt without a pair: "no scores", "one answer" (only one scored, distinct one), "tie"
    (within the margin), "not comparable" (the difference is an abstention's).

    Args:
        margin: the least difference, exclusive; 0 drops exact ties only.
        max_pairs: most pairs a prompt.

    Raises:
        UserError: a negative margin, or no pairs asked for.
    """
    if margin < 0 or max_pairs < 1:
        what = f"margin {margin}, max_pairs {max_pairs}"
        raise UserError(what, where="pairs", expected="margin >= 0 and max_pairs >= 1")
    kept, reasons = [], []
    for prompt, rows, verdicts in zip(prompts, completions, judgements, strict=True):
        ranked = candidates(rows, verdicts, seed=seed_of(seed, prompt.id))
        couples = list(zip(ranked, reversed(ranked)))[: len(ranked) // 2]
        apart = [(a, b) for a, b in couples if a.score - b.score > margin]
        made = [
            pair_row(prompt, a, b, principle, seed=seed, constitution=constitution)
            for a, b in apart
            if (principle := decided_by(a.judgement, b.judgement)) is not None
        ]
        kept += made[:max_pairs]
        if not made:
            scored = "not comparable" if apart else "tie" if couples else "one answer"
            reasons.append(scored if ranked else "no scores")
    return filtered(kept, reasons)


def pair_row(
    prompt: Row, chosen: Candidate, rejected: Candidate, principle: str, *, seed: int, constitution: str
) -> Row:
    asked = row_prompt(prompt)
    return Row(
        {
            "prompt": asked,
            "chosen": as_answer(asked, chosen.text),
            "rejected": as_answer(asked, rejected.text),
            "score_chosen": chosen.score,
            "score_rejected": rejected.score,
        },
        Source(
            "pairs",
            model=chosen.row.source.model,
            judge=chosen.judgement.judge,
            principle=principle,
            constitution=constitution,
            seed=seed,
            parents=(prompt.id, chosen.row.id, rejected.row.id),
        ),
    )


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
    kept, reasons = [], []
    for prompt, rows, verdicts in zip(prompts, completions, judgements, strict=True):
        ranked = candidates(rows, verdicts, seed=seed_of(seed, prompt.id))
        if not ranked or ranked[0].score < at_least:
            reasons.append("too low" if ranked else "no scores")
            continue
        best = ranked[0]
        asked = row_prompt(prompt)
        source = Source(
            "best",
            model=best.row.source.model,
            judge=best.judgement.judge,
            principle=best.judgement.principle,
            constitution=constitution,
            seed=seed,
            parents=(prompt.id, best.row.id),
        )
        data = {"prompt": asked, "completion": as_answer(asked, best.text), "score": best.score}
        kept.append(Row(data, source))
    return filtered(kept, reasons)
