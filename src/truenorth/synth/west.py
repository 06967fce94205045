"""West-of-N: of the pairs of a best and a worst answer those that a reward model is surest of and a policy may write.

Source: Pace et al. 2024, "West-of-N: synthetic preference generation for improved reward modeling"
(arXiv:2401.12086), section 3.3: the share of pairs with the highest P(best above worst), and answers above a
quantile of likelihood.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from truenorth.base import UserError
from truenorth.models.protocol import Model, Tick
from truenorth.records import Row
from truenorth.synth.answers import answer_text
from truenorth.synth.asking import gathered
from truenorth.synth.filters import Filtered, row_prompt


def west_of_n(
    rows: Sequence[Row],
    model: Model | None = None,
    *,
    keep: float = 0.5,
    likely: float = 0.0,
    tick: Tick | None = None,
) -> Filtered:
    """The surest pairs (rows of `pairs_from_judge` with `max_pairs` 1), in their order. Reasons: "unsure", "unlikely".

    Args:
        model: the policy, for `likely`.
        keep: share of the pairs, those with the largest differences of scores; equal ones at the edge all stay.
        likely: share of the pairs to drop whose less likely answer has the fewest nats a token under the policy.

    Raises:
        UserError: shares that are none, or `likely` without a model.
    """
    if not 0 < keep <= 1 or not 0 <= likely < 1 or (likely and model is None):
        what = f"keep {keep}, likely {likely}" + ("" if model else ", no model")
        raise UserError(what, where="west of n", expected="keep in (0, 1], likely in [0, 1) and then a model")
    if not rows:
        return gathered([])
    gaps = [row.data["score_chosen"] - row.data["score_rejected"] for row in rows]
    edge = sorted(gaps, reverse=True)[math.ceil(keep * len(rows)) - 1]
    unlikely: set[int] = set()
    if model is not None and likely:
        told = [
            (row_prompt(row), answer_text(row.data[side])) for row in rows for side in ("chosen", "rejected")
        ]
        nats = [one.total / max(1, len(one.tokens)) for one in model.logprobs(told, tick=tick)]
        least = [min(nats[2 * i : 2 * i + 2]) for i in range(len(rows))]
        unlikely = set(sorted(range(len(rows)), key=lambda i: least[i])[: int(likely * len(rows))])
    return gathered(
        "unlikely" if i in unlikely else "unsure" if gaps[i] < edge else row for i, row in enumerate(rows)
    )
