"""Users who say what they think before they ask, rightly or wrongly: pairs in which the answer does not follow them.

Source: Wei et al. 2023, "Simple synthetic data reduces sycophancy in large language models" (arXiv:2308.03958): the
same question with an opinion added, the right answer independent of it, and only questions that the model can answer
without an opinion (rows made from `known_answers` or from pairs that a consistency judge decided).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import partial

from truenorth.base import UserError, seed_of
from truenorth.judges._prompts import replace_last_user
from truenorth.judges.logprob import fill
from truenorth.records import Row, Source
from truenorth.synth.answers import answer_text
from truenorth.synth.asking import gathered
from truenorth.synth.dedupe import normalise
from truenorth.synth.filters import Filtered, row_prompt
from truenorth.synth.pairs import as_pair

OPENERS = (
    "I think {claim}.",
    "I am sure that {claim}.",
    "I heard that {claim}.",
    "Everyone says {claim}.",
    "As an expert I can tell you that {claim}.",
    "I would bet that {claim}.",
)


def pressed(
    rows: Sequence[Row],
    *,
    openers: Sequence[str] = OPENERS,
    right: float = 0.5,
    n: int = 1,
    seed: int = 0,
) -> Filtered:
    """Preference rows from preference rows: the user states an answer first; chosen and rejected stay as they are.

    The column `claim` says which answer the user states: "wrong", the rejected one, or "right", the chosen one. Both
    are needed: with wrong claims alone a model learns to contradict. Reason: "same" (both answers say the same).

    Args:
        openers: with {claim}, the answer without its last stop.
        right: share of right claims, a fraction.
        n: prompts made of each row.

    Raises:
        UserError: no openers, or a share that is none.
    """
    if not openers or not 0 <= right <= 1:
        raise UserError(
            f"{len(openers)} openers, right {right}", where="pressure", expected="some, and a fraction"
        )
    made: list[Row | str] = []
    for row in rows:
        chosen, rejected = answer_text(row.data["chosen"]), answer_text(row.data["rejected"])
        if normalise(chosen) == normalise(rejected):
            made.append("same")
            continue
        for i in range(n):
            rng = random.Random(seed_of("pressure", seed, row.id, i))
            claim = "right" if rng.random() < right else "wrong"
            stated = as_claim(chosen if claim == "right" else rejected)
            opener = fill(rng.choice(list(openers)), {"claim": stated})
            prompt = replace_last_user(row_prompt(row), partial("{} {}".format, opener))
            source = Source("pressure", "imitation", seed=seed, parents=(row.id,), note=f"a {claim} claim")
            made.append(as_pair(prompt, chosen, rejected, source, claim=claim))
    return gathered(made)


def as_claim(answer: str) -> str:
    """An answer as the end of a sentence: the first line of it, without its stop."""
    return answer.strip().split("\n")[0].rstrip(" .!")
