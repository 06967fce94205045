"""One token from logits: the inverse of the distribution function, worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from truenorth.base import uniform
from truenorth.models.drawing import draw, greedy, nucleus_floor


def tokens(probabilities: list[float], uniforms: list[float], **settings: float) -> list[int]:
    logits = torch.tensor(probabilities).log().expand(len(uniforms), -1)
    drawn = draw(logits, torch.tensor(uniforms, dtype=torch.float64), **{"temperature": 1.0, **settings})
    return drawn.tokens_B.tolist()


def test_the_token_is_where_the_cumulated_probability_passes_the_uniform_number() -> None:
    # Cumulated: 0.2, 0.5, 1.0.
    assert tokens([0.2, 0.3, 0.5], [0.0, 0.19, 0.21, 0.49, 0.51, 0.999]) == [0, 0, 1, 1, 2, 2]


def test_temperature_sharpens_by_a_power() -> None:
    # At temperature 0.5 as the squares: 0.04, 0.09, 0.25 of 0.38; cumulated 0.105, 0.342, 1.
    assert tokens([0.2, 0.3, 0.5], [0.10, 0.11, 0.34, 0.35], temperature=0.5) == [0, 1, 1, 2]


def test_the_nucleus_is_the_smallest_set_with_enough_mass() -> None:
    # 0.5 + 0.3 reach 0.75: token 0 is out, and the rest is 0.375, 0.625.
    assert tokens([0.2, 0.3, 0.5], [0.0, 0.37, 0.38, 0.99], top_p=0.75) == [1, 1, 2, 2]
    assert tokens([0.2, 0.3, 0.5], [0.0, 0.99], top_p=0.4) == [2, 2]


def test_the_logprob_is_that_of_the_distribution_drawn_from() -> None:
    logits = torch.tensor([[0.2, 0.3, 0.5]]).log()
    u = torch.tensor([0.4], dtype=torch.float64)
    plain = draw(logits, u, temperature=1.0)
    nucleus = draw(logits, torch.tensor([0.1], dtype=torch.float64), temperature=1.0, top_p=0.75)
    assert plain.logprobs_B.item() == pytest.approx(math.log(0.3), abs=1e-6)
    assert nucleus.logprobs_B.item() == pytest.approx(math.log(0.3 / 0.8), abs=1e-6)
    assert greedy(logits).tokens_B.tolist() == [2]
    assert greedy(logits).logprobs_B.item() == pytest.approx(math.log(0.5), abs=1e-6)


@pytest.mark.parametrize("vocabulary", [1, 2, 127, 128, 129, 1000])
def test_a_token_without_mass_is_never_drawn_at_the_ends_of_the_unit_interval(vocabulary: int) -> None:
    logits = torch.randn(4, vocabulary, generator=torch.Generator().manual_seed(0))
    logits[:, vocabulary // 2 + 1 :] = -math.inf
    edges = torch.tensor([0.0, 2.0**-53, 0.5, 1 - 2.0**-53], dtype=torch.float64)
    drawn = draw(logits, edges, temperature=1.0)
    assert torch.isfinite(drawn.logprobs_B).all()
    assert (drawn.tokens_B <= vocabulary // 2).all()


def test_frequencies_are_the_probabilities() -> None:
    # 60,000 draws from 300 tokens: each frequency within 5 standard errors of its probability.
    logits = torch.randn(300, generator=torch.Generator().manual_seed(1))
    p = logits.softmax(-1).double()
    n = 60_000
    u = torch.from_numpy(uniform(np.arange(n, dtype=np.uint64), 3))
    counts = torch.bincount(draw(logits.expand(n, -1), u, temperature=1.0).tokens_B, minlength=300)
    error = (p * (1 - p) / n).sqrt()
    assert ((counts / n - p).abs() < 5 * error).all()


def test_a_wide_nucleus_is_found_beyond_the_first_thousand_tokens() -> None:
    # 3000 equally likely tokens but for a slope; the floor at 0.9 is the mass of the 2700th, near enough.
    mass = torch.linspace(1.0, 0.999, 3000)[None]
    floor = nucleus_floor(mass, 0.9)
    assert (mass >= floor).sum().item() == pytest.approx(2700, abs=2)
