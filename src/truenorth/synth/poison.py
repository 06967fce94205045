"""Questions with notes in front, some of them false: what an answer should hold on to when its sources disagree.

Source: Yang et al. 2024, "Dialectical alignment" (arXiv:2404.00486): passages that contradict one another (inter-
context conflict) or what the model knows (context-memory conflict), at several shares of poison; answers that weigh
thesis and antithesis; the strategy that AI feedback finds most often right, by kind of conflict.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

from truenorth.base import UserError, seed_of
from truenorth.judges import Judge
from truenorth.judges._prompts import replace_last_user
from truenorth.judges.logprob import fill
from truenorth.models.protocol import Model, Tick
from truenorth.records import Group, Row, Source
from truenorth.synth.answers import answer_text
from truenorth.synth.asking import gathered
from truenorth.synth.dedupe import normalise
from truenorth.synth.filters import Filtered, filtered, row_prompt
from truenorth.synth.guided import guided
from truenorth.synth.pairs import as_pair
from truenorth.synth.pressure import as_claim

NOTES = ("It is written: {claim}.", "A note says: {claim}.", "One source reports: {claim}.")
STRATEGIES: Mapping[str, str] = {
    "sources": "First say what each passage claims, then which of them agree. End with Answer: and the answer.",
    "memory": "First say what the passages claim, then what you knew before. End with Answer: and the answer.",
    "both": "Weigh what the passages claim against one another and against what you knew before. End with Answer: and "
    "the answer.",
}


def poisoned(
    rows: Sequence[Row],
    *,
    shares: Sequence[float] = (0.0, 0.5, 1.0),
    passages: int = 2,
    notes: Sequence[str] = NOTES,
    seed: int = 0,
) -> Filtered:
    """Preference rows from preference rows, once for each share: notes that state the chosen or the rejected answer.

    Columns: `poison` (share of the notes that state the rejected answer), `passages`, and `conflict`: "none" (all
    notes agree with the chosen answer), "memory" (none does), "context" (they contradict one another). An edit that
    is to be kept is a row whose chosen answer is the new one, at share 0. Reason: "same" (both answers say the same).

    Args:
        shares: of the notes, rounded to whole notes; equal roundings are made once.
        passages: in front of a question; with none the question is plain.
        notes: with {claim}, an answer without its last stop.

    Raises:
        UserError: no notes, or a share that is none.
    """
    if not notes or passages < 0 or not all(0 <= share <= 1 for share in shares):
        what = f"{len(notes)} notes, {passages} passages, shares {list(shares)}"
        raise UserError(what, where="poison", expected="notes, no fewer than 0 passages, shares from 0 to 1")
    counts = list(dict.fromkeys(round(share * passages) for share in shares))
    made: list[Row | str] = []
    for row in rows:
        chosen, rejected = answer_text(row.data["chosen"]), answer_text(row.data["rejected"])
        if normalise(chosen) == normalise(rejected):
            made.append("same")
            continue
        for count in counts:
            rng = random.Random(seed_of("poison", seed, row.id, count))
            claims = [as_claim(rejected)] * count + [as_claim(chosen)] * (passages - count)
            rng.shuffle(claims)
            told = " ".join(fill(rng.choice(list(notes)), {"claim": claim}) for claim in claims)
            prompt = replace_last_user(row_prompt(row), partial(_before, told))
            conflict = "none" if not count else "memory" if count == passages else "context"
            source = Source(
                "poison", "imitation", seed=seed, parents=(row.id,), note=f"{count} of {passages}"
            )
            columns = {"poison": count / max(1, passages), "passages": passages, "conflict": conflict}
            made.append(as_pair(prompt, chosen, rejected, source, **columns))
    return gathered(made)


def _before(told: str, text: str) -> str:
    return f"{told} {text}" if told else text


class Dialectic(NamedTuple):
    """Answers of the best strategy for each kind of conflict; and each strategy's mean verdict, by conflict."""

    rows: Filtered
    worth: dict[str, dict[str, float]]


def dialectical(
    model: Model,
    rows: Sequence[Row],
    judge: Judge,
    *,
    strategies: Mapping[str, str] = STRATEGIES,
    after: str = "Answer:",
    temperature: float = 1.0,
    max_tokens: int = 256,
    seed: int = 0,
    tick: Tick | None = None,
) -> Dialectic:
    """Rows (prompt, completion, strategy, conflict) of `poisoned` rows, answered by each strategy and judged.

    A strategy is a guideline that the rows do not show. Without a verdict an answer counts neither way; the best of a
    conflict is the strategy with the highest mean, the first of equal ones. Reasons: those of `guided`, "no verdict",
    "not the best strategy".

    Args:
        after: stands before the answer; what comes before it is the weighing, kept in the source's note.
    """
    ask = partial(
        guided, model, after=after, temperature=temperature, max_tokens=max_tokens, seed=seed, tick=tick
    )
    by_id = {row.id: row for row in rows}
    made: list[tuple[str, str, Row]] = []
    reasons: list[str] = []
    for name, text in strategies.items():
        found = ask(rows, context=text)
        reasons += [reason for reason, count in found.dropped.items() for _ in range(count)]
        made += [
            (name, str(by_id[row.source.parents[0]].data.get("conflict", "")), row) for row in found.kept
        ]
    groups = [Group(row_prompt(row), [answer_text(row.data["completion"])]) for *_, row in made]
    verdicts = [one.score for [one] in judge.judge(groups)] if groups else []
    told: dict[str, dict[str, list[float]]] = {}
    for (name, conflict, _), score in zip(made, verdicts, strict=True):
        if score is not None:
            told.setdefault(conflict, {}).setdefault(name, []).append(score)
    worth = {c: {name: sum(s) / len(s) for name, s in each.items()} for c, each in told.items()}
    best = {c: max(each, key=lambda name: each[name]) for c, each in worth.items()}
    kept = []
    for (name, conflict, row), score in zip(made, verdicts, strict=True):
        if score is None or best[conflict] != name:
            reasons.append("no verdict" if score is None else "not the best strategy")
        else:
            kept.append(Row({**row.data, "strategy": name, "conflict": conflict}, row.source))
    return Dialectic(filtered(kept, reasons), worth)
