"""New prompts in place of private ones, with a bound on what they say of any one of these."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from truenorth.base import UserError, seed_of
from truenorth.models.local import LocalModel
from truenorth.recipes.run_limits import Count, Positive, Share, SomeShare
from truenorth.recipes.run_rows import fresh
from truenorth.recipes.run_work import NEEDS_CHAT, Have, Load, Prompts, Work
from truenorth.recipes.settings import Settings
from truenorth.records import Row, prompt_text
from truenorth.synth import magpie
from truenorth.synth.embed import ngrams
from truenorth.synth.privacy import noise_for, spent
from truenorth.synth.private import Noise, fit_private, prompt_rows, resample

if TYPE_CHECKING:
    from truenorth.recipes.run_check import Bound


def private_prompts(
    prompts: Prompts,
    model: LocalModel,
    work: Work,
    *,
    epsilon: Positive = 8.0,
    delta: Share = 0.0,
    steps: Count = 40,
    rate: SomeShare = 0.05,
    lr: Positive = 1e-3,
    draws: Positive = 3.0,
    clusters: Count = 20,
    secret: str = "",
) -> Prompts:
    """At most as many prompts as there are private ones, drawn from a copy of the model that was fitted to these by
    DP-SGD, and picked to be of the same kinds by a noisy histogram. The private prompts go no further.

    Args:
        epsilon: of both releases together; four fifths are the fit's. One row is one person's.
        delta: 0 is a tenth of one over the number of prompts.
        steps, rate, lr: of DP-SGD; `rate` is the share of prompts in a step.
        draws: prompts drawn for each private one. clusters: of the histogram.
        secret: a file that nobody else will read, such as one of random bytes: the noise follows from it.
            Without one it follows from the run's seed, which the manifest tells: good for trying it out, and
            private from nobody.

    Raises:
        UserError: epsilon or delta out of range, or a fitted model that asks nothing.

    Source: Yu et al. 2024 (arXiv:2402.13659); Abadi et al. 2016 (arXiv:1607.00133).
    """
    texts = [prompt_text(row.data["prompt"]) for row in prompts]
    allowed = delta or 0.1 / len(texts)
    if epsilon <= 0 or not 0 < allowed < 1 / len(texts):
        expected = f"epsilon above 0, delta below 1 / {len(texts)} prompts"
        raise UserError(f"epsilon {epsilon}, delta {delta}", where="step private_prompts", expected=expected)
    how = Noise(noise_for(0.8 * epsilon, allowed / 2, rate=rate, steps=steps), rate, steps, 1.0, lr)
    seed = noise_seed(secret, work.settings.seed)
    fitted = fit_private(model.module, prompt_rows(model, texts), how, seed=seed)
    drawn = magpie(
        model, round(draws * len(texts)), seed=work.settings.seed, max_tokens=work.settings.max_tokens
    )
    pool = fresh(work, drawn, "prompts in place of private ones")
    if not pool:
        raise UserError("the fitted model asks nothing", where="step private_prompts", fix="a larger epsilon")
    vectors = ngrams([*(prompt_text(row.data["prompt"]) for row in pool), *texts])
    found = resample(
        vectors[: len(pool)],
        vectors[len(pool) :],
        min(len(texts), len(pool)),
        noise=noise_for(0.2 * epsilon, allowed / 2),
        clusters=min(clusters, len(pool)),
        seed=seed,
    )
    cost = spent([fitted, found.release], allowed, rows=len(texts))
    work.count("epsilon of the prompts in place of private ones, thousandths", round(1000 * cost.epsilon))
    note = f"epsilon {cost.epsilon:.2f} at delta {allowed:.1g}" + (
        "" if secret else ", if the seed were secret"
    )
    rows = [pool[i] for i in found.picks]
    return [Row(row.data, replace(row.source, note=note)) for row in rows]


def noise_seed(secret: str, seed: int) -> int:
    """Of the noise: from the secret file, or from the run's seed without one.

    Raises:
        UserError: the file is missing, or too short to keep anything.
    """
    if not secret:
        return seed
    try:
        told = Path(secret).read_bytes()
    except OSError as error:
        what = f"cannot read the secret ({error.strerror})"
        raise UserError(what, where=secret, fix="head -c 32 /dev/urandom > FILE") from error
    if len(told) < 16:
        raise UserError(f"{len(told)} bytes", where=secret, expected="16 or more, drawn at random")
    return seed_of("private noise", told.hex())


def check(step: Bound, earlier: Mapping[str, Bound], where: str) -> None:
    """The secret is there before anything starts."""
    noise_seed(str(step.settings.get("secret") or ""), 0)


def lacks(have: Have, **settings: object) -> str:
    return "" if have.chats else NEEDS_CHAT


def forecast(
    rows: Sequence[float],
    settings: Settings,
    *,
    steps: int = 40,
    rate: float = 0.05,
    draws: float = 3.0,
    **given: float,
) -> Load:
    return Load(0.6 * rows[0], answers=draws * rows[0], trained=4 * steps * rate * rows[0])
