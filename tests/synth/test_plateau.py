"""The law of diminishing rows: fits of known curves, and what is said where the curve is another one."""

import numpy as np
import pytest

from truenorth.base import UserError
from truenorth.synth.plateau import Plateau, plateau, saturation

SIZES = [0, 4, 8, 16, 32, 64, 128, 256]
KNOWN = Plateau(limit=0.8, start=0.2, rate=1 / 30)


def answers(curve, *, runs=3, questions=400, seed=0):
    """Right (1) or wrong (0) answers to the same questions, right as often as the curve says."""
    rng = np.random.default_rng(seed)
    hard_Q = rng.random(questions)  # each question is harder or easier in all runs
    noise_RSQ = 0.2 * rng.normal(size=(runs, len(SIZES), questions))
    level_S1 = np.array([curve(n) for n in SIZES])[:, None]
    return (hard_Q + noise_RSQ < level_S1).astype(float)


@pytest.mark.parametrize("known", [KNOWN, Plateau(0.1, 0.9, 1 / 7), Plateau(55.0, 12.0, 1 / 90)])
def test_a_known_plateau_is_found(known):
    found = plateau(SIZES, [known.at(n) for n in SIZES])
    assert found == pytest.approx(known, rel=1e-5)
    assert found.at(30) == pytest.approx(known.at(30))
    assert found.enough(1 - np.exp(-2)) == pytest.approx(2 / known.rate, rel=1e-5)


def test_coverage_of_random_samples_is_an_exponential_plateau():
    kinds, draws = 40, 400
    rng = np.random.default_rng(3)
    sizes = [5, 10, 20, 40, 80, 160, 320]
    seen = [np.mean([len(set(rng.integers(0, kinds, n).tolist())) for _ in range(draws)]) for n in sizes]
    found = plateau(sizes, seen)
    # expected: 40 (1 - (1 - 1/40)^n), so the rate is -log(1 - 1/40) = 0.02532 and the limit 40
    assert found.limit == pytest.approx(40, rel=0.01)
    assert found.rate == pytest.approx(0.02532, rel=0.05)
    assert found.start == pytest.approx(0, abs=0.5)
    assert found.enough(0.95) == pytest.approx(3 / 0.02532, rel=0.06)


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ([0.1 + 0.002 * n for n in SIZES], "no exponential plateau"),  # a straight line
        ([0.1] + [0.9] * 7, "no exponential plateau"),  # all is gained before the second size
        ([0.5] * 8, "no exponential plateau"),
        ([0.5] * 7, "8 sizes, 7 values"),
    ],
)
def test_what_is_no_plateau_is_not_called_one(values, why):
    with pytest.raises(UserError, match=why):
        plateau(SIZES, values)


def test_too_few_sizes_are_refused():
    with pytest.raises(UserError, match="3 different sizes"):
        plateau([1, 2, 3, 3], [1, 2, 3, 3])
    with pytest.raises(UserError, match="two runs at least"):
        saturation(SIZES, answers(KNOWN.at, runs=1))


def test_answers_along_a_plateau_give_its_rows_and_refute_a_line():
    found = saturation(SIZES, answers(KNOWN.at), draws=300)
    assert found.rows.low < 30 < found.rows.high < 60
    assert found.curve.limit == pytest.approx(0.8, abs=0.05)
    assert found.line.low > 0
    assert found.logarithm.low > 0


def test_answers_along_a_line_do_not_refute_it():
    found = saturation(SIZES, answers(lambda n: 0.2 + 0.6 * n / 256), draws=300)
    assert found.line.low < 0
    assert found.rows.high == np.inf


def test_answers_along_a_logarithm_are_not_taken_for_a_plateau():
    found = saturation(SIZES, answers(lambda n: 0.2 + 0.1 * np.log1p(n)), draws=300)
    assert found.line.low > 0  # it does level off
    assert found.logarithm.high < 0  # as a logarithm, which has no limit


def test_the_error_of_the_line_is_that_of_a_regression():
    values = np.array([KNOWN.at(n) for n in SIZES])
    found = saturation(SIZES, np.tile(values[None, :, None], (2, 1, 5)), draws=20)
    for told, x in ((found.line, np.array(SIZES)), (found.logarithm, np.log1p(SIZES))):
        left = values - np.polyval(np.polyfit(x, values, 1), x)
        assert told.mean == pytest.approx(
            (left**2).mean(), rel=1e-3
        )  # two equal runs, no noise: the plateau's is 0


def test_a_question_asked_five_times_counts_as_one_cluster():
    once = answers(KNOWN.at, questions=60)
    often = saturation(SIZES, np.repeat(once, 5, axis=2), clusters=np.repeat(np.arange(60), 5), draws=200)
    single = saturation(SIZES, once, draws=200)
    assert often.rows[:3] == pytest.approx(single.rows[:3])
    assert often.line[:3] == pytest.approx(single.line[:3])
    careless = saturation(SIZES, np.repeat(once, 5, axis=2), draws=200)
    assert careless.line.high - careless.line.low < single.line.high - single.line.low
