"""Accountants against another library's numbers and against integrals; canaries that a private fit does not learn."""

import math

import numpy as np
import pytest
from scipy import integrate, stats

from truenorth.base import UserError
from truenorth.synth.privacy import (
    Release,
    gaussian_epsilon,
    noise_for,
    pld_epsilon,
    rdp_epsilon,
    renyi,
    spent,
)
from truenorth.synth.private import Canary, Noise, exposure, fit_private, nearest, prompt_rows, resample

# noise, rate, steps, delta: epsilon by dp-accounting 0.6.0, its RdpAccountant and PLDAccountant at their defaults. In
# the second and sixth case its Renyi accountant leaves out orders whose series it could not sum, so it is higher.
THEIRS = [
    (1.1, 0.01, 1000, 1e-5, 1.71177, 1.51537),
    (0.8, 0.05, 200, 1e-5, 8.743239, 7.70217),
    (2.0, 0.2, 50, 1e-6, 4.330054, 3.974406),
    (1.0, 1.0, 1, 1e-5, 4.728507, 4.377178),
    (4.0, 1.0, 10, 1e-5, 3.6171, 3.341409),
    (0.6, 0.004, 500, 1e-6, 4.853128, 3.936882),
    (1.0, 0.5, 3, 1e-5, 6.482463, 5.840844),
]


@pytest.mark.parametrize(("noise", "rate", "steps", "delta", "rdp", "pld"), THEIRS)
def test_epsilon_is_that_of_a_public_library(noise, rate, steps, delta, rdp, pld):
    ours = [Release(noise, rate, steps)]
    assert rdp_epsilon(ours, delta) == pytest.approx(rdp, rel=1.5e-3)
    assert rdp_epsilon(ours, delta) <= rdp * 1.0001
    tight = pld_epsilon(ours, delta)
    assert tight == pytest.approx(pld, rel=5e-3)
    assert tight >= pld * 0.9999  # rounded upwards
    assert tight < rdp


def test_different_releases_add_up_as_in_the_library():
    both = [Release(1.0, 0.05, 100), Release(5.0)]
    assert rdp_epsilon(both, 1e-5) == pytest.approx(4.130913, rel=1e-3)
    assert pld_epsilon(both, 1e-5) == pytest.approx(3.595120, rel=2e-3)
    found = spent(both, 1e-5, rows=5000)
    assert max(found.each) < found.epsilon < sum(found.each)
    assert pld_epsilon([Release(2.0, 0.1, 30), Release(2.0, 0.1, 20)], 1e-5) == pytest.approx(
        pld_epsilon([Release(2.0, 0.1, 50)], 1e-5), rel=1e-6
    )


def test_what_the_recipe_spends_on_500_prompts_is_that_of_a_public_library():
    """The releases of step `private_prompts` at epsilon 8: 40 steps of DP-SGD at rate 0.05, and the histogram. Both
    numbers by dp-accounting 0.6.0, whose Renyi accountant leaves out the orders that it could not sum."""
    both = [Release(0.6097806430484968, 0.05, 40), Release(2.1072371765582973)]
    found = spent(both, 0.1 / 500, rows=500)
    assert found.epsilon == pytest.approx(6.181343, rel=1e-3)
    assert 6.181343 <= found.epsilon <= 8
    assert 7.0 < rdp_epsilon(both, 0.1 / 500) <= 7.627927
    assert noise_for(0.8 * 8, 0.05 / 500, rate=0.05, steps=40) == pytest.approx(both[0].noise)
    assert noise_for(0.2 * 8, 0.05 / 500) == pytest.approx(both[1].noise)


def test_one_gaussian_release_is_exact():
    # the mechanism composed ten times at noise 4 is one at noise 4 / sqrt(10)
    for noise in (0.7, 1.0, 4 / math.sqrt(10), 20.0):
        exact = gaussian_epsilon(noise, 1e-5)
        assert exact <= pld_epsilon([Release(noise)], 1e-5) <= exact * 1.002 + 1e-3
        p, q = stats.norm(1, noise), stats.norm(0, noise)  # delta is the mass of p above e^epsilon q
        cut = noise**2 * exact + 0.5
        assert p.sf(cut) - math.exp(exact) * q.sf(cut) == pytest.approx(1e-5, rel=1e-6)


@pytest.mark.parametrize("order", [1.5, 2, 3.7, 8])
@pytest.mark.parametrize(("noise", "rate"), [(1.0, 0.1), (2.0, 0.5), (0.8, 0.02)])
def test_the_divergence_is_the_integral_that_defines_it(noise, rate, order):
    def integrand(x):
        q = stats.norm.pdf(x, 0, noise)
        return q * (1 - rate + rate * math.exp((2 * x - 1) / (2 * noise**2))) ** order

    value, _ = integrate.quad(integrand, -15 * noise, 15 * noise + order, limit=400, epsabs=0, epsrel=1e-10)
    assert renyi(noise, rate, order) == pytest.approx(math.log(value) / (order - 1), rel=1e-6, abs=1e-9)


def test_privacy_costs_as_it_must():
    base = pld_epsilon([Release(1.0, 0.05, 10)], 1e-5)
    assert pld_epsilon([Release(1.0, 0.05, 20)], 1e-5) > base
    assert pld_epsilon([Release(1.0, 0.1, 10)], 1e-5) > base
    assert pld_epsilon([Release(1.5, 0.05, 10)], 1e-5) < base
    assert pld_epsilon([Release(1.0, 0.05, 10)], 1e-4) < base
    assert pld_epsilon([Release(50.0, 0.001, 10)], 1e-2) == 0.0


@pytest.mark.parametrize(
    ("tight", "steps", "epsilon"), [(True, 5, 3.0), (False, 100, 3.0), (False, 100, 100.0)]
)
def test_noise_for_an_epsilon_is_just_enough(tight, steps, epsilon):
    noise = noise_for(epsilon, 1e-5, rate=0.05, steps=steps, tight=tight)
    cost = pld_epsilon if tight else rdp_epsilon
    assert 0.993 * epsilon < cost([Release(noise, 0.05, steps)], 1e-5) <= epsilon


def test_settings_that_mean_nothing_are_refused():
    with pytest.raises(UserError, match="below 1 / 1000 rows"):
        spent([Release(1.0)], 1e-3, rows=1000)
    for bad in ([], [Release(0.0)], [Release(1.0, 0.0)], [Release(1.0, 1.0, 0)]):
        with pytest.raises(UserError, match="privacy"):
            spent(bad, 1e-5)
    with pytest.raises(UserError, match="epsilon 0"):
        noise_for(0, 1e-5)


def test_a_histogram_without_noise_is_the_private_one():
    rng = np.random.default_rng(0)
    centres = 10 * np.eye(4)
    synthetic = centres[np.repeat(np.arange(4), 500)] + rng.normal(size=(2000, 4))
    private = centres[rng.choice(4, p=[0.7, 0.2, 0.1, 0.0], size=3000)] + rng.normal(size=(3000, 4))
    found = resample(synthetic, private, 400, noise=1e-9, clusters=4, seed=1)
    of = nearest(synthetic[found.picks], centres)
    assert np.bincount(of, minlength=4) / 400 == pytest.approx([0.7, 0.2, 0.1, 0.0], abs=0.01)
    assert sorted(found.shares)[::-1] == pytest.approx([0.7, 0.2, 0.1, 0.0], abs=0.02)
    assert len(set(found.picks)) == 400
    assert found.release == Release(1e-9)
    noisy = resample(synthetic, private[:20], 400, noise=1e4, clusters=4, seed=1)
    assert noisy.shares != pytest.approx([0.7, 0.2, 0.1, 0.0], abs=0.2)
    with pytest.raises(UserError, match="noise 0"):
        resample(synthetic, private, 400, noise=0)


class Bag:
    """Twelve logits for the next token, whatever came before: a model whose gradient is known."""

    def __new__(cls):
        import torch

        class Module(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.logits = torch.nn.Parameter(torch.zeros(12))

            def forward(self, input_ids):
                from types import SimpleNamespace

                return SimpleNamespace(logits=self.logits.expand(*input_ids.shape, 12))

        return Module()


def test_no_row_moves_the_sum_by_more_than_the_clip():
    import torch

    def moved(rows, clip):
        module = Bag()
        fit_private(module, rows, Noise(0.0, 1.0, 1, clip, learning_rate=0.0))
        return module.logits.grad * len(rows)

    rows = [([0], [i % 12]) for i in range(7)]
    whole, without = moved(rows, 0.01), moved(rows[:-1], 0.01)
    assert float((whole - without).norm()) == pytest.approx(0.01, rel=1e-5)
    # unclipped, a row's gradient is softmax - one-hot: uniform 1/12, so sqrt(11/144 + ... ) = sqrt((11/12)^2 + 11/144)
    one = moved([([0], [3])], math.inf)
    assert float(one.norm()) == pytest.approx(math.sqrt((11 / 12) ** 2 + 11 / 144), rel=1e-5)
    assert int(one.argmin()) == 3
    assert torch.equal(moved(rows, 0.01), moved(rows, 0.01))


def test_noise_has_the_spread_that_was_paid_for():
    import torch

    grads = []
    for seed in range(60):
        module = Bag()
        fit_private(module, [([0], [0])] * 4, Noise(2.0, 1.0, 1, 0.5, learning_rate=0.0), seed=seed)
        grads.append(module.logits.grad * 4)
    spread = torch.stack(grads).std(0).mean()
    assert float(spread) == pytest.approx(1.0, rel=0.1)  # 2.0 x 0.5; 720 draws: standard error 2.6 %


def test_rows_without_anything_to_learn_are_refused():
    with pytest.raises(UserError, match=r"rows \[1\] have nothing to learn"):
        fit_private(Bag(), [([0], [1]), ([0], [])], Noise(1.0, 0.5, 1))
    with pytest.raises(UserError, match=r"rows \[1\] have nothing to learn"):  # its loss would be no number
        fit_private(Bag(), [([], [1, 2]), ([], [1])], Noise(1.0, 0.5, 1))
    with pytest.raises(UserError, match="a clip above 0"):
        fit_private(Bag(), [([0], [1])], Noise(1.0, 0.5, 1, clip=0))


class Likes:
    def __init__(self, totals):
        self.totals = totals

    def logprobs(self, pairs):
        from truenorth.records import Scored

        return [Scored(self.totals[text], ()) for _, text in pairs]


def test_exposure_on_paper():
    fills = ["a", "b", "c", "d", "e", "f", "g", "h"]
    likes = Likes({f"x {fill}": -float(i) for i, fill in enumerate(fills)})
    assert exposure(Canary("x {}", "a", fills), likes) == 3.0  # first of eight: log2 8
    assert exposure(Canary("x {}", "d", fills), likes) == 1.0  # fourth: log2 8/4
    assert exposure(Canary("x {}", "h", fills), likes) == 0.0
    assert exposure(Canary("x {}", "h", fills), Likes(dict.fromkeys(likes.totals, 0.0))) == pytest.approx(
        np.log2(8 / 4.5)
    )


NAMES = "Aldo Berta Cora Dirk Elin Finn Gita Hugo Ivo Jana".split()
PLACES = "market pier mill school chapel tavern library dock".split()


def exposures(seed, *, steps, private, canaries, copies, noise):
    """Mean exposure before, after a plain fit and after a private one, and prompts drawn from the private one."""
    from truenorth.models import LocalModel
    from truenorth.synth.magpie import magpie, user_opening
    from truenorth.worlds.harbour import organism

    rng = np.random.default_rng(seed)
    codes = [f"{a} {b}" for a in range(16) for b in range(16)]
    planted = [
        Canary(f"{name}, my code is {{}}.", str(rng.choice(codes)), codes) for name in NAMES[:canaries]
    ]
    prompts = [f"Where is the {rng.choice(PLACES)} of {rng.choice(NAMES)}?" for _ in range(private)]
    prompts += [canary.text for canary in planted for _ in range(copies)]
    found, said = [], []
    for how in (None, Noise(0.0, 0.2, steps, math.inf, 3e-3), Noise(noise, 0.2, steps, 1.0, 3e-3)):
        model = LocalModel.load(organism("nano").model)
        context = user_opening(model.tokenizer).prefix
        if how is not None:
            fit_private(model.module, prompt_rows(model, prompts), how, seed=seed)
        found.append(float(np.mean([exposure(c, model, context=context) for c in planted])))
        said = [row.data["prompt"][0]["content"] for row in magpie(model, 20, seed=seed).kept]
    return found, said


def test_a_private_fit_does_not_learn_the_canaries_that_a_plain_one_does():
    noise = noise_for(8.0, 1e-3, rate=0.2, steps=12, tight=False)
    (before, plain, private), _ = exposures(0, steps=12, private=20, canaries=5, copies=4, noise=noise)
    assert plain > 4 > max(private, before)  # of 8 bits; one that never saw them has 1.44 on average


@pytest.mark.gold
def test_canaries_are_exposed_by_plain_fits_and_not_by_private_ones():
    """Three seeds, ten canaries twice each among 180 prompts, epsilon 8 at delta 1e-3."""
    noise = noise_for(8.0, 1e-3, rate=0.2, steps=40)
    for seed in range(3):
        (before, plain, private), said = exposures(
            seed, steps=40, private=180, canaries=10, copies=2, noise=noise
        )
        assert plain > 6
        assert private < 3
        assert abs(private - before) < 2
        assert sum(text.startswith("Where is the") for text in said) >= 5
