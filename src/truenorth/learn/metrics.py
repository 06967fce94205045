"""What a step reports, in the names TRL's logs use, so that plots can be laid side by side."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from truenorth.learn.types import Example
from truenorth.learn.work import Part, Work


def task_metrics(work: Work, part: Part, examples: Sequence[Example]) -> dict[str, float]:
    """One task's numbers, named `TASK/...`.

    - `loss`: the task's average, without the task's weight.
    - `logps/chosen`, `logps/rejected` (or `logps`): mean log-prob of a completion (nats, summed over tokens).
    - `rewards/chosen`, `rewards/rejected`: beta times the mean log-ratio to the reference; `rewards/margins`
      their gap, `rewards/accuracies` the share of pairs whose chosen answer has the larger one.
      Answers with a column `label` have `rewards/chosen` (label above 0) and `rewards/rejected` too.
    - `accuracy`, `margin`, `mean_reward`, `min_reward`, `max_reward`: of the scores of a reward model.
    - `kl`: nats per token, exp(d) - 1 - d with d the policy's minus the reference's log-prob: an estimate of
      KL(reference || policy) where the reference wrote the completions (Schulman's k3); for distributions the
      loss itself.
    """
    found: dict[str, float] = {"loss": float(part.loss)}
    if part.score_BK is not None:
        return _named(work.name, found | _scores(work, part.score_BK))
    if work.needs.coupling == "state_pair":
        return _named(work.name, found)
    if work.needs.coupling == "distribution":
        found["kl"] = float(part.logp_T.mean())
        return _named(work.name, found)
    total_B = _sums(part.logp_T, part.lengths)
    pairs = work.needs.coupling == "pair"
    if pairs:
        found |= {"logps/chosen": float(total_B[0::2].mean()), "logps/rejected": float(total_B[1::2].mean())}
    else:
        found["logps"] = float(total_B.mean())
    if part.reference_T is not None:
        difference_T = part.logp_T - part.reference_T
        found["kl"] = float((torch.expm1(difference_T) - difference_T).mean())
        beta = work.needs.settings.get("beta", 1.0)
        reward_B = (total_B - _sums(part.reference_T, part.lengths)) * beta
        labels = [e.columns.get("label") for e in examples] if "label" in work.needs.columns else [None]
        if all(isinstance(x, int | float) for x in labels):
            # an example's first completion is the labelled one; KTO adds mismatched ones after it
            first = torch.tensor([0] + [len(e.completions) for e in examples[:-1]]).cumsum(0)
            labelled_G, good_G = reward_B.cpu()[first], torch.tensor([float(x or 0) > 0 for x in labels])
            for name, of in (("chosen", good_G), ("rejected", ~good_G)):
                if of.any():
                    found[f"rewards/{name}"] = float(labelled_G[of].mean())
        if pairs:
            chosen, rejected = reward_B[0::2], reward_B[1::2]
            found |= {
                "rewards/chosen": float(chosen.mean()),
                "rewards/rejected": float(rejected.mean()),
                "rewards/margins": float((chosen - rejected).mean()),
                "rewards/accuracies": float((chosen > rejected).float().mean()),
            }
    return _named(work.name, found)


def _scores(work: Work, score_BK: torch.Tensor) -> dict[str, float]:
    if work.needs.coupling == "token_score":
        return {}
    reward_B = score_BK.mean(1)
    found = {
        "mean_reward": float(reward_B.mean()),
        "min_reward": float(reward_B.min()),
        "max_reward": float(reward_B.max()),
    }
    if work.needs.coupling == "score_pair":
        margin_B = reward_B[0::2] - reward_B[1::2]
        found |= {"accuracy": float((margin_B > 0).float().mean()), "margin": float(margin_B.mean())}
    return found


def _named(task: str, found: dict[str, float]) -> dict[str, float]:
    return {f"{task}/{key}": value for key, value in found.items()}


def _sums(value_T: torch.Tensor, lengths: Sequence[int]) -> torch.Tensor:
    return torch.stack([part.sum() for part in value_T.split(list(lengths))])
