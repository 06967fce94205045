"""TPO: a gold answer to imitate and a pair to tell apart, in one step and without a reference."""

from __future__ import annotations

import torch.nn.functional as F

from truenorth.learn.types import Group, Logps, Losses

LOGIC = "it has three answers, and the theory is about pairs (its contrast is CPO's)"


def tpo(policy: Group, *, beta: float = 0.01, alpha: float = 1.0) -> Losses:
    """(G,) -log sigma(beta * (log p(chosen) - log p(rejected))) + alpha * NLL of the gold answer per token.

    Completions of each group: chosen, rejected, gold.

    Pitfall: sums over tokens; `tpo_l` normalises by length.

    Source: Saeidi et al. 2024 (arXiv:2405.16681), eq. 8; TRL's TPO trainer, `loss_type="sigmoid"`.

    >>> from truenorth.learn.worked import group
    >>> tpo(group(-1.0, -3.0, [-0.5, -1.5]), beta=0.5)  # softplus(-1) + 1 nat a token
    tensor([1.3133])
    """
    chosen, rejected, gold = triples(policy)
    return -F.logsigmoid(beta * (chosen.total - rejected.total)) - alpha * gold.mean


def triples(policy: Group) -> tuple[Logps, Logps, Logps]:
    """Chosen, rejected and gold answers of each group.

    Raises:
        ValueError: the completions are not triples.
    """
    if len(policy.group_B) % 3:
        raise ValueError(f"{len(policy.group_B)} completions are not triples (chosen, rejected, gold)")
    tokens, mask = policy.answers
    chosen, rejected, gold = (Logps(tokens[i::3], mask[i::3]) for i in range(3))
    return chosen, rejected, gold
