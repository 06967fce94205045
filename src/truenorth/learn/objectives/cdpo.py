"""Conservative DPO: the labels are taken to be wrong with a known probability."""

from __future__ import annotations

from truenorth.learn.objectives.dpo import dpo
from truenorth.learn.types import Losses, Pair

LOGIC = {
    "top": "w & rl",
    "bottom": "l & rw",
    "loss": "-(1 - label_smoothing) * logsigmoid(beta * rho) - label_smoothing * logsigmoid(-beta * rho)",
}


def cdpo(policy: Pair, reference: Pair, *, beta: float = 0.1, label_smoothing: float = 0.1) -> Losses:
    """(B,) -(1 - eps) log sigma(beta * margin) - eps log sigma(-beta * margin): DPO with smoothed labels.

    Args:
        label_smoothing: eps in [0, 0.5), the share of labels taken to be flipped. Two annotators who
            disagree on a share d of pairs have 2 eps (1 - eps) = d.

    Pitfall: past beta * margin = log((1 - eps) / eps) the gradient turns round; that is its purpose.

    Source: Mitchell 2023, "A note on DPO with noisy preferences and relationship to IPO", eq. 3; TRL's
    `label_smoothing`. `dpo` takes the same argument; `robust_dpo` is the unbiased correction.

    >>> from truenorth.learn.worked import pair
    >>> cdpo(pair(-1.0, -1.0), pair(-2.0, -2.0))  # margin 0: log 2 whatever eps
    tensor([0.6931])
    """
    return dpo(policy, reference, beta=beta, label_smoothing=label_smoothing)
