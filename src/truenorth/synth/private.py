"""Synthetic prompts in place of private ones, with a bound on what they say of any of them.

A copy of a model is fitted to private rows by DP-SGD: gradients of single rows are clipped, and noise is added to their
sum. Prompts drawn from it are free: what is made of a private result alone costs nothing more. Then they are
resampled to look like the private ones, by a noisy histogram over clusters of the synthetic ones.

Sources: Abadi et al., "Deep Learning with Differential Privacy" (2016); Yu et al., "Privacy-Preserving Instructions
for Aligning Large Language Models" (arXiv 2402.13659, read as a summary), for resampling. One row is one person's:
where somebody wrote several, join them first. Private rows must not be used for anything else, such as choosing
settings.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from truenorth.base import UserError, seed_of, uniform
from truenorth.synth.diverse import k_centre
from truenorth.synth.privacy import Release


class Noise(NamedTuple):
    """Settings of DP-SGD. `rate`: share of rows in a step, each drawn by itself; `clip`: largest norm of one row's
    gradient; `noise`: standard deviation over `clip` (`privacy.noise_for` finds it for an epsilon)."""

    noise: float
    rate: float
    steps: int
    clip: float = 1.0
    learning_rate: float = 1e-3

    @property
    def release(self) -> Release:
        return Release(self.noise, self.rate, self.steps)


def fit_private(
    module: Any, rows: Sequence[tuple[list[int], list[int]]], how: Noise, *, seed: int = 0
) -> Release:
    """Fit a torch module in place to (context ids, ids to learn) and return what it cost (`privacy.spent`).

    Adam on the noisy mean of clipped gradients; parameters that need no gradient stay, and fewer of them need less
    noise (an adapter, say). A row's loss is the mean over its learned tokens. Noise 0 with an infinite clip is plain
    training, and private in no sense: its Release is refused by the accountants.

    Noise comes from the seed. For a real release nobody may know it: draw it from `secrets`.

    Raises:
        UserError: no rows, a row with nothing to learn (a single id follows from nothing), nothing to train, or
            settings out of range.
    """
    import torch

    parameters = [p for p in module.parameters() if p.requires_grad]
    _check(rows, parameters, how)
    seed_N = np.array([seed_of("row", seed, i) for i in range(len(rows))])
    generator = torch.Generator().manual_seed(seed_of("fit_private", seed) % 2**63)
    optimizer = torch.optim.Adam(parameters, lr=how.learning_rate)
    sums = [torch.zeros_like(p) for p in parameters]
    module.train()
    for step in range(how.steps):
        drawn = uniform(seed_N, step) < how.rate
        for total in sums:
            total.zero_()
        for i in np.flatnonzero(drawn).tolist():
            gradients = torch.autograd.grad(_loss(module, *rows[i]), parameters)
            norm = torch.sqrt(sum(g.square().sum() for g in gradients))  # type: ignore[arg-type]
            scale = 1.0 if math.isinf(how.clip) else min(1.0, how.clip / max(float(norm), 1e-12))
            for total, gradient in zip(sums, gradients):
                total.add_(gradient, alpha=scale)
        for p, total in zip(parameters, sums):
            if how.noise > 0:
                total.add_(
                    torch.randn(total.shape, generator=generator).to(total), alpha=how.noise * how.clip
                )
            p.grad = total / (how.rate * len(rows))  # the expected number: the true one is private
        optimizer.step()
    module.eval()
    return how.release


def _check(rows: Sequence[tuple[list[int], list[int]]], parameters: Sequence[Any], how: Noise) -> None:
    empty = [i for i, (context, learned) in enumerate(rows) if not learned or len(context) + len(learned) < 2]
    if not rows or empty or not parameters:
        counted = f"{len(rows)} rows, {len(parameters)} parameters"
        what = f"rows {empty[:5]} have nothing to learn" if empty else counted
        expected = "rows with ids to learn, and parameters that train"
        raise UserError(what, where="fit_private", expected=expected)
    if not (how.noise >= 0 and 0 < how.rate <= 1 and how.steps >= 1 and how.clip > 0):
        expected = "noise 0 or more, rate in (0, 1], a clip above 0"
        raise UserError(str(how), where="fit_private", expected=expected)


def _loss(module: Any, context: list[int], learned: list[int]) -> Any:
    """Nats a token of what follows the context; without one, the first id is the context."""
    import torch
    from torch.nn import functional as F

    ids = torch.tensor([[*context, *learned]], device=next(module.parameters()).device)
    logits = module(input_ids=ids).logits[0, len(context) - 1 if context else 0 : -1]
    return F.cross_entropy(logits.float(), ids[0, max(1, len(context)) :])


def prompt_rows(model: Any, prompts: Sequence[str]) -> list[tuple[list[int], list[int]]]:
    """What `fit_private` learns of user prompts, for a chat model: after the opening of a user's turn, the turn and
    its end; so that `magpie` draws prompts from the fitted model."""
    from truenorth.synth.magpie import user_opening

    start = user_opening(model.tokenizer)
    context = model.encode_prompt(start.prefix)
    rows = []
    for prompt in prompts:
        ids = model.encode_prompt(start.prefix + prompt + start.end)
        shared = len(context) if ids[: len(context)] == context else 0
        rows.append((ids[:shared], ids[shared:]))
    return rows


class Resampled(NamedTuple):
    """`picks`: rows of the synthetic vectors, in order; `shares` of the clusters, noisy; and what it cost."""

    picks: list[int]
    shares: list[float]
    release: Release


def resample(
    synthetic_ND: NDArray, private_MD: NDArray, n: int, *, noise: float, clusters: int = 100, seed: int = 0
) -> Resampled:
    """`n` synthetic rows whose kinds are as frequent as among the private ones, each once.

    Landmarks are chosen among the synthetic vectors, farthest first; each private row is counted at its nearest (one
    row, one count: sensitivity 1), noise is added, and what falls below its spread counts as nothing. A cluster with
    fewer rows than its share gives all it has.

    Args:
        noise: standard deviation of a count's noise.

    Raises:
        UserError: `n` or `clusters` out of range, or no noise.
    """
    if not (0 <= n <= len(synthetic_ND) and 1 <= clusters <= len(synthetic_ND) and noise > 0):
        expected = f"n of 0 to {len(synthetic_ND)}, clusters of 1 to as many, noise above 0"
        raise UserError(f"n {n}, clusters {clusters}, noise {noise}", where="resample", expected=expected)
    landmarks = synthetic_ND[k_centre(synthetic_ND, clusters).picks]
    rng = np.random.default_rng(seed_of("resample", seed))
    counts = np.bincount(nearest(private_MD, landmarks), minlength=clusters) + rng.normal(0, noise, clusters)
    counts[counts < noise] = 0.0
    shares = counts / counts.sum() if counts.sum() > 0 else np.full(clusters, 1 / clusters)
    of_row = nearest(synthetic_ND, landmarks)
    wanted = _quotas(shares, np.bincount(of_row, minlength=clusters), n)
    picks = [rng.permutation(np.flatnonzero(of_row == k))[:count] for k, count in enumerate(wanted)]
    return Resampled(sorted(np.concatenate(picks).tolist()), shares.tolist(), Release(noise))


def _quotas(shares: NDArray, there: NDArray, n: int) -> NDArray[np.int64]:
    """`n` split by shares, none above what is there; what a cluster lacks the others give, by shares, then evenly."""
    wanted = np.zeros(len(shares), np.int64)
    while wanted.sum() < n:
        room = there > wanted
        weight = np.where(room, shares, 0.0)
        weight = weight / weight.sum() if weight.sum() > 0 else room / room.sum()
        ideal = weight * (n - wanted.sum())
        more = np.minimum(np.floor(ideal).astype(np.int64), there - wanted)
        if not more.sum():  # less than one each: the largest remainders
            more[np.argsort(-np.where(room, ideal, -1.0), kind="stable")[: n - wanted.sum()]] = 1
            more = np.minimum(more, there - wanted)
        wanted += more
    return wanted


def nearest(x_ND: NDArray, to_KD: NDArray) -> NDArray[np.int64]:
    """(N,): the row of `to_KD` nearest to each row."""
    return (np.einsum("kd,kd->k", to_KD, to_KD) - 2 * (x_ND @ to_KD.T)).argmin(axis=1)


class Canary(NamedTuple):
    """A made-up secret: a format with "{}", and the fill that was planted among all that might have been."""

    format: str
    planted: str
    fills: Sequence[str]

    @property
    def text(self) -> str:
        return self.format.format(self.planted)


def exposure(canary: Canary, model: Any, *, context: str = "") -> float:
    """log2 of the number of fills over the planted one's rank by likelihood: 0 to log2(fills) bits, 1.44 on average
    for a model that never saw it (Carlini et al., "The Secret Sharer", 2019). Equal likelihoods share a mean rank."""
    pairs = [(context, canary.format.format(fill)) for fill in canary.fills]
    totals = np.array([scored.total for scored in model.logprobs(pairs)])
    own = totals[list(canary.fills).index(canary.planted)]
    rank = 1 + (totals > own).sum() + ((totals == own).sum() - 1) / 2
    return float(np.log2(len(totals) / rank))
