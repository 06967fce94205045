"""Each method beside its paper in plain loops, its limits, and the same on torch as on NumPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from truenorth.base import UserError, names
from truenorth.edit import apply
from truenorth.edit.method import method
from truenorth.edit.methods._cut import cuts
from truenorth.edit.methods._singular import orthonormal

RNG = np.random.default_rng(0)
SHAPE = (5, 7)
BASE = RNG.standard_normal(SHAPE).astype(np.float32)
MODELS = [(BASE + 0.3 * RNG.standard_normal(SHAPE)).astype(np.float32) for _ in range(3)]
GRAMS = [x.T @ x / 40 for x in RNG.standard_normal((3, 40, 7)).astype(np.float32)]
FISHERS = list(RNG.random((3, *SHAPE)).astype(np.float32))

# What each method is given besides tensors and base; methods of two models get two.
SETTINGS: dict[str, dict] = {
    "arcee_fusion": {},
    "breadcrumbs": {"weight": 0.5, "density": 0.6, "gamma": 0.1},
    "breadcrumbs_ties": {"weight": 0.5, "density": 0.6, "gamma": 0.1, "rescale": True},
    "dare_linear": {"weight": 0.5, "density": 0.5},
    "dare_ties": {"weight": 0.5, "density": 0.5},
    "della": {"weight": 0.5, "density": 0.5},
    "della_linear": {"weight": 0.5, "density": 0.5, "rescale": "density"},
    "expo": {"alpha": 0.4},
    "fisher": {"fisher": FISHERS},
    "karcher": {},
    "linear": {"weight": [0.2, 0.3, 0.9]},
    "model_stock": {"filter_wise": True},
    "multislerp": {"weight": [0.2, 0.3, 0.9]},
    "nearswap": {"t": 0.1},
    "nuslerp": {"weight": [0.2, 0.3], "nuslerp_flatten": False},
    "passthrough": {"scale": 0.5},
    "personalised_soups": {},
    "preference_vectors": {"weight": [0.4, None]},
    "r_tsvm": {},
    "ram": {"epsilon": 0.1},
    "ramplus_tl": {"epsilon": 0.1},
    "regmean": {"gram": GRAMS},
    "rewarded_soups": {"weight": [0.2, 0.3, 0.5]},
    "sce": {"select_topk": 0.5},
    "slerp": {"t": 0.3},
    "task_arithmetic": {"weight": [0.2, -0.3, 0.9]},
    "ties": {"weight": [0.2, 0.3, 0.9], "density": 0.5, "rescale": True},
    "tsvm": {},
}
TWO = {"nuslerp", "preference_vectors"}


def given(name: str) -> tuple[int, dict]:
    return method(name).trait.inputs or (2 if name in TWO else 3), SETTINGS[name]


def call(name: str, models=MODELS, base=BASE, **more):
    count, settings = given(name)
    return apply(name, models[:count], None if method(name).base == "none" else base, **(settings | more))


def test_every_method_has_an_example_here():
    assert sorted(SETTINGS) == names("truenorth.edit.methods")


@pytest.mark.parametrize("name", SETTINGS)
def test_numpy_and_torch_give_the_same_and_change_no_input(name: str):
    before = [array.copy() for array in (*MODELS, BASE)]
    ours = call(name)
    held = {
        key: [torch.from_numpy(array) for array in value] if key in ("gram", "fisher") else value
        for key, value in SETTINGS[name].items()
    }
    theirs = call(name, [torch.from_numpy(m) for m in MODELS], torch.from_numpy(BASE), **held)
    assert ours.shape == SHAPE
    assert ours.dtype == np.float32
    assert theirs.dtype == torch.float32
    np.testing.assert_allclose(theirs.numpy(), ours, atol=2e-6)
    for array, copy in zip((*MODELS, BASE), before):
        np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("linear", {"weight": [0.2, 0.3, 0.5]}),
        ("rewarded_soups", {}),
        ("personalised_soups", {}),
        ("task_arithmetic", {"weight": [0.2, 0.3, 0.5]}),
        ("ties", {"density": 1.0, "weight": [0.2, 0.3, 0.5]}),
        ("dare_linear", {"density": 1.0, "weight": [0.2, 0.3, 0.5]}),
        ("breadcrumbs", {"density": 1.0, "weight": [0.2, 0.3, 0.5]}),
        ("della_linear", {"density": 1.0, "weight": [0.2, 0.3, 0.5]}),
        ("slerp", {}),
        ("nuslerp", {}),
        ("multislerp", {"weight": [0.2, 0.3, 0.5]}),
        ("karcher", {}),
        ("model_stock", {}),
        ("sce", {"select_topk": 1.0}),
        ("fisher", {}),
        ("regmean", {}),
    ],
)
def test_merging_equal_models_returns_the_model(name: str, settings: dict):
    base = MODELS[0] if name == "slerp" else BASE
    np.testing.assert_allclose(call(name, [MODELS[0]] * 3, base, **settings), MODELS[0], atol=2e-5)


@pytest.mark.parametrize("name", ["linear", "rewarded_soups"])
def test_one_weight_of_one_returns_its_model_bit_for_bit(name: str):
    np.testing.assert_array_equal(call(name, weight=[0, 1, 0]), MODELS[1])


@pytest.mark.parametrize(
    "name", ["linear", "task_arithmetic", "ties", "sce", "karcher", "model_stock", "tsvm"]
)
def test_the_order_of_models_does_not_matter(name: str):
    settings = {key: 0.4 if key == "weight" else value for key, value in SETTINGS[name].items()}
    straight = call(name, **settings)
    np.testing.assert_allclose(call(name, MODELS[::-1], **settings), straight, atol=1e-5)


def test_linear_by_hand():
    # (1 * 2 + 3 * 6) / 4 = 5; without normalising 20
    pair = [np.array([2.0], np.float32), np.array([6.0], np.float32)]
    assert apply("linear", pair, weight=[1, 3]) == 5
    assert apply("linear", pair, weight=[1, 3], normalize=False) == 20


def test_ties_by_hand():
    """Changes (1, -2, 0.1) and (-3, -4, 0.2), half of three kept is one... of 2/3, two each."""
    base = np.zeros(3, np.float32)
    models = [np.array([1, -2, 0.1], np.float32), np.array([-3, -4, 0.2], np.float32)]
    made = apply("ties", models, base, weight=1.0, density=0.7)
    # int(0.7 * 3) = 2 largest each: (1, -2, 0) and (-3, -4, 0). Sums (-2, -6, 0): signs -, -, +.
    # Those that agree: -3 alone; -2 and -4, mean -3; nothing.
    np.testing.assert_allclose(made, [-3, -3, 0])
    # opposed changes do not cancel, as they would in a mean
    assert apply("ties", [np.ones(1, np.float32), -np.ones(1, np.float32)], base[:1], weight=[1.0, 0.9]) == 1


def plain_ties(models, base, density):
    """Algorithm 1 of the paper for weights of one, tensor by tensor, in loops."""
    kept = []
    for model in models:
        change = (model - base).ravel()
        order = sorted(range(change.size), key=lambda i: -abs(change[i]))[: int(density * change.size)]
        kept.append([float(change[i]) if i in set(order) else 0.0 for i in range(change.size)])
    merged = []
    for values in zip(*kept):
        sign = 1 if sum(values) >= 0 else -1
        agreeing = [v for v in values if v * sign > 0]
        merged.append(sum(agreeing) / len(agreeing) if agreeing else 0.0)
    return base + np.array(merged, np.float32).reshape(base.shape)


@pytest.mark.parametrize("density", [0.2, 0.5, 0.93, 1.0])
def test_ties_is_the_paper_in_loops(density: float):
    made = apply("ties", MODELS, BASE, weight=1.0, density=density)
    np.testing.assert_allclose(made, plain_ties(MODELS, BASE, density), atol=1e-6)


def test_lambda_zero_and_density_one_give_the_base():
    for name in ("ties", "task_arithmetic", "dare_linear", "breadcrumbs", "tsvm", "r_tsvm"):
        density = {} if "density" not in method(name).settings else {"density": 1.0}
        np.testing.assert_allclose(call(name, lambda_=0.0, **density), BASE, atol=1e-6)


@pytest.mark.parametrize("name", ["dare_linear", "della_linear"])
def test_the_papers_rescaling_leaves_the_expected_change(name: str):
    """Over 1,500 draws the mean kept change is within 5 standard errors of the change, element by element."""
    base, change = np.zeros((1, 6), np.float32), np.array([[0.5, -1, 2, 0.1, -3, 1]], np.float32)
    draws = [
        apply(name, [change], base, weight=1.0, density=0.4, rescale="density", seed=s) for s in range(1500)
    ]
    error = np.std(draws, 0) / math.sqrt(len(draws))
    assert (abs(np.mean(draws, 0) - change) < 5 * error + 1e-6).all()


def test_dares_variance_is_the_papers():
    # change^2 * p / (1 - p) with p = 0.6 dropped: 1.5 for a change of 1
    base, change = np.zeros((1, 40000), np.float32), np.ones((1, 40000), np.float32)
    made = apply("dare_linear", [change], base, weight=1.0, density=0.4, rescale="density")
    assert set(np.unique(made)) == {0.0, 2.5}
    assert abs(made.var() - 1.5) < 0.05


@pytest.mark.parametrize("name", ["dare_linear", "della_linear", "ties", "breadcrumbs"])
def test_rescaling_keeps_the_sum_of_magnitudes(name: str):
    settings = (
        SETTINGS[name] | {"weight": 1.0, "rescale": True} | ({"normalize": False} if name == "ties" else {})
    )
    made = apply(name, MODELS[:1], BASE, **settings)
    np.testing.assert_allclose(abs(made - BASE).sum(), abs(MODELS[0] - BASE).sum(), rtol=1e-5)


def test_the_seed_and_the_name_of_the_tensor_make_the_draws():
    one, same = (call("dare_linear", seed=1, parameter="a") for _ in range(2))
    np.testing.assert_array_equal(one, same)
    assert (one != call("dare_linear", seed=2, parameter="a")).any()
    assert (one != call("dare_linear", seed=1, parameter="b")).any()


def test_della_keeps_large_changes_more_often():
    """Chances from 0.5 - 0.4 to 0.5 + 0.4 along a row of 5: 0.1, 0.3, 0.5, 0.7, 0.9."""
    base = np.zeros((20000, 5), np.float32)
    change = np.tile(np.array([3, -1, 5, 2, -4], np.float32), (20000, 1))
    made = apply("della_linear", [change], base, weight=1.0, density=0.5, epsilon=0.4, rescale=False)
    np.testing.assert_allclose((made != 0).mean(0), [0.5, 0.1, 0.9, 0.3, 0.7], atol=0.02)
    with pytest.raises(UserError, match="within"):
        apply("della", [change], base, weight=1.0, density=0.9, epsilon=0.2)


def test_breadcrumbs_leaves_out_both_ends():
    # ten changes 1..10: gamma 0.2 drops 9 and 10, of the rest the five largest stay: 4..8
    base, model = np.zeros(10, np.float32), np.arange(1, 11, dtype=np.float32)
    made = apply("breadcrumbs", [model], base, weight=1.0, density=0.5, gamma=0.2)
    np.testing.assert_array_equal(made, [0, 0, 0, 4, 5, 6, 7, 8, 0, 0])
    top = apply("breadcrumbs", [model], base, weight=1.0, density=0.5, gamma=0.0)
    np.testing.assert_array_equal(top, apply("ties", [model], base, weight=1.0, density=0.5))


def test_slerp_ends_and_keeps_unit_length():
    np.testing.assert_array_equal(call("slerp", t=0), BASE)
    np.testing.assert_array_equal(call("slerp", t=1), MODELS[0])
    a, b = np.array([1, 0], np.float32), np.array([0, 1], np.float32)
    # halfway of a right angle: (cos 45, sin 45)
    np.testing.assert_allclose(apply("slerp", [b], a, t=0.5), [0.5**0.5] * 2, atol=1e-7)
    assert abs(np.linalg.norm(apply("slerp", [b], a, t=0.21)) - 1) < 1e-6
    line = apply("slerp", [a * 3], a, t=0.5)
    np.testing.assert_allclose(line, [2, 0], atol=1e-7)


def test_the_spherical_methods_agree_on_two_models():
    """Halfway between two unit vectors all four are the normalised mean."""
    units = [m / np.linalg.norm(m) for m in MODELS[:2]]
    expected = (units[0] + units[1]) / np.linalg.norm(units[0] + units[1])
    for made in (
        apply("slerp", [units[1]], units[0], t=0.5),
        apply("nuslerp", units, weight=1.0),
        apply("multislerp", units, weight=1.0),
        apply("karcher", units),
    ):
        np.testing.assert_allclose(made, expected, atol=1e-6)


def test_karcher_is_where_the_tangents_cancel():
    vectors = [m.astype(np.float64) / np.linalg.norm(m) for m in MODELS]
    mean = apply("karcher", vectors, max_iter=50, tol=1e-12)
    mean = mean / np.linalg.norm(mean)
    pull = np.zeros(SHAPE)
    for v in vectors:
        angle = math.acos(float((v * mean).sum()))
        pull += angle / math.sin(angle) * (v - math.cos(angle) * mean)
    assert np.linalg.norm(pull) < 1e-7


def test_model_stock_by_hand():
    # N = 4 with every cosine 0.3: t = 4 * 0.3 / (1 + 3 * 0.3) = 0.6316
    gram = np.full((4, 4), 0.3) + 0.7 * np.eye(4)
    changes = np.linalg.cholesky(gram).astype(np.float32)
    made = apply("model_stock", list(changes), np.zeros(4, np.float32))
    np.testing.assert_allclose(made, 1.2 / 1.9 * changes.mean(0), atol=1e-6)
    apart = [np.eye(4, dtype=np.float32)[i] for i in range(2)]  # cosine 0: the base
    np.testing.assert_allclose(apply("model_stock", apart, np.zeros(4, np.float32)), 0, atol=1e-7)


def test_expo_goes_on_in_a_straight_line():
    np.testing.assert_array_equal(call("expo", alpha=0.0), MODELS[0])
    np.testing.assert_allclose(call("expo", alpha=-1.0), BASE, atol=1e-6)
    np.testing.assert_allclose(call("expo", alpha=0.5) - BASE, 1.5 * (MODELS[0] - BASE), atol=1e-6)


def test_preference_vectors_are_signed_sums():
    made = apply("preference_vectors", [*MODELS, BASE], BASE, weight=[0.5, None, -1.0, None])
    plain = BASE + 0.5 * (MODELS[0] - MODELS[1]) - (MODELS[2] - BASE)
    np.testing.assert_allclose(made, plain, atol=1e-6)
    with pytest.raises(UserError, match="pairs"):
        apply("preference_vectors", MODELS, BASE, weight=[1.0, None, 1.0])
    with pytest.raises(UserError, match="sum to 1"):
        call("rewarded_soups", weight=[0.5, 0.6, 0.1])


def test_fisher_weighs_each_element():
    # (1 * 2 + 3 * 6) / 4 = 5; a model without information (floored) leaves the other
    two = [np.array([2.0, 2.0], np.float32), np.array([6.0, 6.0], np.float32)]
    sharp = [np.array([1.0, 1.0], np.float32), np.array([3.0, 0.0], np.float32)]
    np.testing.assert_allclose(apply("fisher", two, fisher=sharp), [5, 2], atol=1e-5)
    np.testing.assert_allclose(apply("fisher", two, fisher=[sharp[0], None]), [4, 4])


def test_regmean_is_the_least_squares_it_says():
    inputs = RNG.standard_normal((3, 40, 7))
    grams = [(x.T @ x / 40).astype(np.float32) for x in inputs]
    made = apply("regmean", MODELS, gram=grams, ratio=1.0).astype(np.float64)

    def loss(w):
        return sum(((x @ w.T - x @ m.T) ** 2).sum() for x, m in zip(inputs, MODELS))

    best = loss(made)
    for _ in range(20):
        assert loss(made + 1e-2 * RNG.standard_normal(SHAPE)) > best
    np.testing.assert_allclose(
        apply("regmean", MODELS, gram=[np.eye(7, dtype="f")] * 3), np.mean(MODELS, 0), atol=1e-6
    )


def fusion_bench_tsvm(changes: list[torch.Tensor]) -> torch.Tensor:
    """As task_singular_vectors and fusion_bench compute it: slots in zeros, two SVDs, one product."""
    share = 1 / len(changes)
    for i, change in enumerate(changes):
        u, s, v = torch.linalg.svd(change, full_matrices=False)
        if i == 0:
            all_u, all_s, all_v = torch.zeros_like(u), torch.zeros_like(s), torch.zeros_like(v)
        k = int(s.shape[0] * share)
        all_u[:, i * k : (i + 1) * k] = u[:, :k]
        all_s[i * k : (i + 1) * k] = s[:k]
        all_v[i * k : (i + 1) * k, :] = v[:k, :]
    u_u, _, v_u = torch.linalg.svd(all_u, full_matrices=False)
    u_v, _, v_v = torch.linalg.svd(all_v, full_matrices=False)
    return torch.linalg.multi_dot((u_u, v_u, torch.diag(all_s), u_v, v_v))


@pytest.mark.parametrize("count", [1, 2, 3])
def test_tsvm_is_fusion_benchs(count: int):
    changes = [torch.from_numpy(m - BASE) for m in MODELS[:count]]
    made = apply("tsvm", MODELS[:count], BASE, lambda_=0.8)
    np.testing.assert_allclose(made, BASE + 0.8 * fusion_bench_tsvm(changes).numpy(), atol=1e-5)


def test_tsvm_returns_one_task_and_adds_up_orthogonal_ones():
    np.testing.assert_allclose(apply("tsvm", MODELS[:1], BASE), MODELS[0], atol=1e-5)
    a, b = np.zeros((4, 4), np.float32), np.zeros((4, 4), np.float32)
    a[0, 1], a[1, 0], b[2, 3], b[3, 2] = 2, 1, 3, -1
    np.testing.assert_allclose(apply("tsvm", [a, b], np.zeros((4, 4), np.float32)), a + b, atol=1e-6)
    basis = orthonormal(RNG.standard_normal((9, 4)), np)
    np.testing.assert_allclose(basis.T @ basis, np.eye(4), atol=1e-12)
    vector = [np.array([1, 3], np.float32), np.array([3, 5], np.float32)]
    np.testing.assert_allclose(apply("tsvm", vector, np.zeros(2, np.float32)), [2, 4])
    with pytest.raises(UserError, match="3 models for a matrix of rank 2"):
        apply("tsvm", [BASE[:2]] * 3, BASE[:2])


def test_r_tsvm_of_tasks_alike_is_tsvm_and_silent_tasks_count_nothing():
    alike = [BASE + 0.1 * np.roll(MODELS[0] - BASE, i, 0) for i in range(2)]
    np.testing.assert_allclose(apply("r_tsvm", alike, BASE), apply("tsvm", alike, BASE), atol=1e-5)
    spiky = MODELS[0].copy()
    spiky[0, 0] += 9
    loud = apply("r_tsvm", [spiky, BASE.copy()], BASE, adapt_rank=False)
    # all of the outlier mass is the first task's: its factor is 2, the second's 0
    u, s, v = np.linalg.svd(spiky - BASE, full_matrices=False)
    np.testing.assert_allclose(loud - BASE, 2 * (u[:, :2] * s[:2]) @ v[:2], atol=1e-4)


def test_nearswap_moves_nothing_further_than_t():
    made = call("nearswap", t=0.1)
    assert abs(made - BASE).max() <= 0.1 + 1e-6
    near = abs(MODELS[0] - BASE) < 0.1
    np.testing.assert_allclose(made[near], MODELS[0][near], atol=1e-6)


class Chunked:
    """A tensor in blocks of three, and a sample that knows too little."""

    def __init__(self, values, sample):
        self.values, self._sample, self.size, self.count = values, sample, values.size, 1

    def _block(self, start, values):
        from truenorth.edit.method import Block

        return Block([values], np.zeros_like(values), start)

    def map(self, function):
        return [function(self._block(i, self.values[i : i + 3])) for i in range(0, self.size, 3)]

    def sample(self):
        return [self._block(0, self._sample)]


@pytest.mark.parametrize("favour", ["first", "last"])
@pytest.mark.parametrize("sample", [[1.0], [100.0, 200.0], [0.0, 0.1], [3.0, 5.0, 1.0, 4.0]])
def test_the_cut_keeps_exactly_k_whatever_the_sample_says(sample: list[float], favour: str):
    values = np.array([3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3, 2, 3, 8, 4], np.float32)
    blocks = Chunked(values, np.array(sample, np.float32))
    order = sorted(range(20), key=lambda i: (-values[i], i if favour == "first" else -i))
    for keep in range(21):
        (cut,) = cuts(blocks, lambda block: block.tensors, [keep], favour=favour)
        kept = np.flatnonzero(cut.keeps(values, 0))
        assert sorted(order[:keep]) == list(kept), (keep, cut)
