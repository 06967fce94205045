"""Answers where the model knows and "I don't know" where it does not, by what it says when it is asked many times.

Source: Yang et al. 2023, "Alignment for honesty" (arXiv:2312.07000), section 3: the expected accuracy over samples
decides whether the honest answer is an answer; here agreement among the samples stands for accuracy, as nobody knows
the truth.
"""

from __future__ import annotations

from collections.abc import Sequence

from truenorth.base import UserError, seed_of
from truenorth.judges import ConsistencyJudge
from truenorth.models.protocol import Tick
from truenorth.records import Row, Source
from truenorth.synth.answers import as_answer
from truenorth.synth.asking import gathered
from truenorth.synth.filters import Filtered, row_prompt

DECLINES = (
    "I don't know.",
    "I do not know that.",
    "I am not sure, so I will not guess.",
    "That I do not know.",
)
SURE = "{answer} (I am about {percent} % sure.)"


def known_answers(
    judge: ConsistencyJudge,
    prompts: Sequence[Row],
    *,
    declines: Sequence[str] = DECLINES,
    sure: str = "",
    seed: int = 0,
    tick: Tick | None = None,
) -> Filtered:
    """Rows (prompt, completion, verdict, share): the majority's answer where it is known, a decline where not.

    `share` is that of the samples that agree. Reason: "uncertain" (between the judge's two thresholds).

    Args:
        declines: one is drawn by seed for each prompt.
        sure: a template with {answer} and {percent} for known answers, such as `SURE`; "" says the answer alone.

    Raises:
        UserError: no declines.
    """
    if not declines:
        raise UserError("no way to say I don't know", where="known answers")
    made: list[Row | str] = []
    found = judge.consensus([row_prompt(row) for row in prompts], tick=tick) if prompts else []
    for row, one in zip(prompts, found, strict=True):
        if one.verdict == "uncertain" or (one.verdict == "known" and not one.text):
            made.append("uncertain")
            continue
        percent = str(round(100 * one.share.mean))
        said = sure.replace("{percent}", percent).replace("{answer}", one.text) if sure else one.text
        decline = declines[seed_of("decline", seed, row.id) % len(declines)]
        text = said if one.verdict == "known" else decline
        prompt = row_prompt(row)
        source = Source(
            "known",
            "inductive_bias",
            model=judge.model.name,
            judge=judge.name,
            seed=seed,
            parents=(row.id,),
            note=f"{one.verdict}: {one.share.mean:.2f} of {one.m} agree",
        )
        data = {"prompt": prompt, "completion": as_answer(prompt, text)}
        made.append(Row({**data, "verdict": one.verdict, "share": one.share.mean}, source))
    return gathered(made)
