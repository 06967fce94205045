"""Preference objectives: values where policy and reference agree, equalities between methods, limits, gradients."""

from __future__ import annotations

import inspect
import math
from functools import partial

import learn_plain as plain
import numpy as np
import pytest
import torch

from truenorth.base import UserError, names
from truenorth.learn import Example, Task, fit
from truenorth.learn.coupling import load_objective, needs
from truenorth.learn.lists import lists, ranks
from truenorth.learn.ratios import log1mexp
from truenorth.learn.trl_names import CPO_LOSS_TYPES, DPO_LOSS_TYPES, KTO_LOSS_TYPES, TPO_LOSS_TYPES
from truenorth.learn.types import Batch, Group, Logps, Pair
from truenorth.learn.unpaired import density_ratios, with_mismatched
from truenorth.learn.worked import batch, group, logps, pair, pairs

LOG2 = math.log(2)
PAIRS = ["alphapo", "apo_down", "apo_zero", "bco_pair", "cdpo", "cpo", "discopop", "dpo", "dpop", "exo_pair",
         "f_dpo", "hinge", "ipo", "ld_dpo", "ln_dpo", "mixture", "modpo", "nca_pair", "odpo", "orpo", "rdpo",
         "robust_dpo", "sacpo", "safe_dpo", "simpo", "slic", "sppo_hard", "tdpo1", "tdpo2", "wpo"]  # fmt: skip
ANSWERS = ["apo_zero_unpaired", "dro", "sppo"]
LISTS = ["d2o", "exo", "infonca", "lipo", "listmle", "listnet", "nca", "plackett_luce", "pro", "rrhf"]
BATCHES = ["aot", "aot_unpaired", "bco", "kto"]
MINE = [*PAIRS, *ANSWERS, *LISTS, *BATCHES, "tpo", "tpo_l"]


def objective(name, **settings):
    return partial(load_objective(name), **settings)


def double(value):
    """The same in float64."""
    change = lambda t: t.double() if t.is_floating_point() else t  # noqa: E731
    return type(value)(*[double(v) if isinstance(v, tuple) else change(v) for v in value])


def call(name, new, old=None, *columns, kl=None, **settings):
    """An objective on float64 copies of what it takes."""
    function = load_objective(name)
    need = needs(function)
    if not need.reference and old is not None:
        columns = (old, *columns)
    arguments = [double(x) for x in (new, old, kl)[: 1 + need.reference + need.kl]]
    arguments += [torch.as_tensor(c, dtype=torch.float64) for c in columns]
    return function(*arguments, **settings)


def test_every_objective_here_is_in_the_catalogue():
    assert set(MINE) <= set(names("truenorth.learn.objectives"))


# --- values and gradients where policy and reference agree (methods, part I1) -------------------------------------

# name, settings, columns, loss, derivative by the chosen answer's log-prob, by the rejected one's
START = [
    ("dpo", {"beta": 0.3}, [], LOG2, -0.15, 0.15),
    ("cdpo", {"beta": 0.3, "label_smoothing": 0.1}, [], LOG2, -0.15 * 0.8, 0.15 * 0.8),
    ("robust_dpo", {"beta": 0.3, "label_smoothing": 0.1}, [], LOG2, -0.15 / 0.8, 0.15 / 0.8),
    ("ln_dpo", {"beta": 0.3}, [], LOG2, -0.15 / 2, 0.15 / 2),  # two tokens each
    ("rdpo", {"beta": 0.3, "alpha": 0.7}, [], LOG2, -0.15, 0.15),
    ("ld_dpo", {"beta": 0.3}, [], LOG2, -0.15, 0.15),
    ("f_dpo", {"beta": 0.3, "divergence": "reverse_kl"}, [], LOG2, -0.15, 0.15),
    ("f_dpo", {"beta": 0.3, "divergence": "forward_kl"}, [], LOG2, -0.15, 0.15),  # f''(1) = 1 for all of them
    ("f_dpo", {"beta": 0.3, "divergence": "js_divergence"}, [], LOG2, -0.075, 0.075),  # but 1/2 here
    ("f_dpo", {"beta": 0.3, "divergence": "alpha_divergence"}, [], LOG2, -0.15, 0.15),
    ("dpop", {"beta": 0.3}, [], LOG2, None, 0.15),  # a kink for the chosen answer
    ("odpo", {"beta": 0.3}, [[0.0]], LOG2, -0.15, 0.15),
    ("modpo", {"beta": 0.3, "weight": 0.5}, [[0.0]], LOG2, -0.3, 0.3),
    ("sacpo", {"beta": 0.3, "safety": 0.5}, [[0.0]], LOG2, -0.3, 0.3),
    ("safe_dpo", {"beta": 0.3}, [[[0.0, 0.0]]], LOG2, -0.15, 0.15),
    ("bco_pair", {"beta": 0.3}, [], 2 * LOG2, -0.15, 0.15),
    ("nca_pair", {"beta": 0.3}, [], 2 * LOG2, -0.075, 0.075),
    ("ipo", {"beta": 0.1, "normalise": "sum"}, [], 25.0, -10.0, 10.0),
    ("ipo", {"beta": 0.5, "normalise": "token"}, [], 1.0, -1.0, 1.0),  # -2 / 2 tokens
    ("exo_pair", {"beta": 1.0, "label_smoothing": 1e-3}, [], 2.7612, -1.7267, 1.7267),
    ("hinge", {"beta": 0.3}, [], 1.0, -0.3, 0.3),
    ("apo_zero", {"beta": 0.3}, [], 1.0, -0.075, 0.075),
    ("apo_down", {"beta": 0.3}, [], 1.0, 0.0, 0.075),
    ("discopop", {"beta": 1.0, "tau": 0.05}, [], 0.846574, 0.784264, -0.784264),
    ("sppo_hard", {"beta": 0.1}, [], 50.0, -10.0, 10.0),
]


@pytest.mark.parametrize(("name", "settings", "columns", "value", "chosen", "rejected"), START)
def test_values_and_slopes_where_policy_and_reference_agree(name, settings, columns, value, chosen, rejected):
    nats = torch.tensor([-3.0, -5.0], dtype=torch.float64, requires_grad=True)
    mask = torch.ones(1, 2, dtype=torch.bool)
    new = Pair(*(Logps((x / 2).expand(1, 2), mask) for x in nats))
    old = Pair(*(Logps((x.detach() / 2).expand(1, 2), mask) for x in nats))
    loss = load_objective(name)(
        new, old, *[torch.tensor(c, dtype=torch.float64) for c in columns], **settings
    )
    (slope,) = torch.autograd.grad(loss.sum(), nats)
    assert float(loss.detach()) == pytest.approx(value, abs=1e-4)
    for got, want in zip(slope.tolist(), (chosen, rejected)):
        assert want is None or got == pytest.approx(want, abs=1e-4)


def test_tdpo_is_dpo_where_nothing_has_moved_and_its_terms_have_the_papers_signs():
    same, none = pair([-1.0, -2.0], -2.0), pair([0.0, 0.0], 0.0)
    for name in ("tdpo1", "tdpo2"):
        assert float(call(name, same, same, kl=none)) == pytest.approx(LOG2)
    far = pair([0.0, 0.0], 2.0)  # the rejected branch has drifted: a smaller margin
    assert float(call("tdpo1", same, same, kl=far, beta=0.5)) == pytest.approx(math.log1p(math.e))
    assert float(call("tdpo2", same, same, kl=far, beta=0.5, alpha=0.5)) == pytest.approx(
        math.log1p(math.e**0.5)
    )
    new = pair(-1.0, -4.0)
    assert float(call("tdpo2", new, pair(-2.0, -2.0), kl=far, alpha=0.0)) == pytest.approx(
        float(call("dpo", new, pair(-2.0, -2.0)))
    )


def test_tdpo2_sends_no_gradient_through_the_chosen_answers_divergence():
    p = double(pair(-1.0, -2.0))
    divergence = torch.tensor([[0.5], [0.7]], dtype=torch.float64, requires_grad=True)
    one = torch.ones(1, 1, dtype=torch.bool)
    kl = Pair(Logps(divergence[:1], one), Logps(divergence[1:], one))
    for name, chosen in (("tdpo1", True), ("tdpo2", False)):
        (slope,) = torch.autograd.grad(load_objective(name)(p, p, kl).sum(), divergence)
        assert bool(slope[0] != 0) == chosen
        assert slope[1] > 0


@pytest.mark.parametrize("gamma", [0.0, 0.5])
def test_simpo_at_equal_means_is_softplus_of_the_target_margin(gamma):
    assert float(call("simpo", pair([-1.0, -1.0], -1.0), gamma=gamma)) == pytest.approx(
        math.log1p(math.exp(gamma))
    )


def test_orpos_ratio_term_is_log_two_at_equal_odds_and_is_steeper_than_simpos():
    assert float(call("orpo", pair(-1.0, -1.0), beta=1.0, sft=0.0)) == pytest.approx(LOG2)
    p = torch.tensor([[-1.0]], dtype=torch.float64, requires_grad=True)
    one = torch.ones(1, 1, dtype=torch.bool)
    pair_of = Pair(Logps(p, one), Logps(torch.tensor([[-1.0]], dtype=torch.float64), one))
    (odds,) = torch.autograd.grad(load_objective("orpo")(pair_of, beta=1.0, sft=0.0).sum(), p)
    (mean,) = torch.autograd.grad(load_objective("simpo")(pair_of, beta=1.0, gamma=0.0).sum(), p)
    probability = math.exp(-1.0)
    assert float(odds / mean) == pytest.approx(1 / (1 - probability))  # 1 + odds


def test_lists_have_their_values_where_policy_and_reference_agree():
    four = group(-1.0, -2.0, -3.0, -4.0)
    scores = [4.0, 1.0, 3.0, 2.0]
    for name, value in [("listmle", math.log(24)), ("listnet", math.log(4)), ("infonca", math.log(4)),
                        ("nca", 2 * LOG2)]:  # fmt: skip
        assert float(call(name, four, four, scores)) == pytest.approx(value)
    assert float(call("plackett_luce", four, four)) == pytest.approx(math.log(24))
    assert float(call("d2o", four, four)) == pytest.approx(LOG2)
    assert float(call("lipo", four, four, [1.0] * 4)) == 0.0  # no order, no loss


def test_listmle_has_the_papers_slopes_at_the_start():
    """d/ds_(k) = -1 + sum over j <= k of 1 / (K - j + 1): for K = 3 -2/3, -1/6, 5/6."""
    x = torch.full((3, 1), -1.0, dtype=torch.float64, requires_grad=True)
    one = torch.ones(3, 1, dtype=torch.bool)
    of = torch.zeros(3, dtype=torch.long)
    old = Group(Logps(x.detach(), one), of)
    loss = load_objective("listmle")(Group(Logps(x, one), of), old, torch.tensor([3.0, 2.0, 1.0]), beta=1.0)
    (slope,) = torch.autograd.grad(loss.sum(), x)
    assert slope[:, 0].tolist() == pytest.approx([-2 / 3, -1 / 6, 5 / 6])


def test_kto_starts_at_half_its_weights_with_the_papers_slopes():
    b = batch([-1.0, -3.0], [-2.0, -2.0])
    loss = call("kto", b, b, [1.0, 0.0], beta=0.3, desirable_weight=2.0)
    assert loss.tolist() == pytest.approx([1.0, 0.5])
    x = torch.full((4, 1), -1.0, dtype=torch.float64, requires_grad=True)
    ones, of = torch.ones(4, 1, dtype=torch.bool), torch.tensor([0, 0, 1, 1])
    new, old = Batch(Logps(x, ones), of), Batch(Logps(x.detach(), ones), of)
    loss = load_objective("kto")(new, old, torch.tensor([1.0, 0.0]), beta=0.3, desirable_weight=2.0)
    (slope,) = torch.autograd.grad(loss.sum(), x)
    assert slope[:, 0].tolist() == pytest.approx([-0.3 * 2 / 4, 0.0, 0.3 / 4, 0.0])  # none to z


def test_ktos_reference_point_is_never_below_zero_and_only_of_mismatched_answers():
    old = batch([-2.0, -2.0], [-2.0, -2.0])
    low = call("kto", batch([-1.0, -5.0], [-2.0, -9.0]), old, [1.0, 1.0], beta=1.0)
    assert low.tolist() == pytest.approx([1 - 1 / (1 + math.exp(-1)), 0.5])  # z = max(0, -5) = 0
    with pytest.raises(UserError, match="no mismatched completions"):
        call("kto", batch([-1.0], [-2.0]), batch([-1.0], [-2.0]), [1.0, 0.0])
    only_bad = call("kto", old, old, [0.0, 0.0])
    assert torch.isfinite(only_bad).all()


# --- equalities between methods (methods, part I2) ------------------------------------------------------------


def drawn_pair(seed, tokens=3):
    draw = np.random.default_rng(seed)
    rows = [(-draw.random(tokens), -draw.random(tokens)) for _ in range(5)]
    return pairs(*[(c.tolist(), r.tolist()) for c, r in rows])


NEW, OLD = drawn_pair(0), drawn_pair(1)
ZERO = Pair(*(Logps(torch.zeros_like(x.token_BT), x.mask_BT) for x in NEW))


@pytest.mark.parametrize(
    ("name", "columns", "settings"),
    [
        ("cdpo", [], {"label_smoothing": 0.0}),
        ("robust_dpo", [], {"label_smoothing": 0.0}),
        ("modpo", [[0.0] * 5], {"weight": 1.0}),
        ("odpo", [[0.0] * 5], {}),
        ("sacpo", [[0.0] * 5], {}),
        ("safe_dpo", [[[0.0, 0.0]] * 5], {}),
        ("rdpo", [], {"alpha": 0.0}),
        ("ld_dpo", [], {"alpha": 1.0}),
        ("f_dpo", [], {"divergence": "reverse_kl"}),
        ("f_dpo", [], {"divergence": "alpha_divergence", "alpha": 1.0}),
        ("dpop", [], {"penalty": 0.0}),
        ("mixture", [], {"losses": {"dpo": 1.0}, "settings": {"dpo": {"beta": 0.3}}}),
    ],
)
def test_what_is_dpo_at_its_neutral_setting(name, columns, settings):
    if name != "mixture":
        settings = settings | {"beta": 0.3}
    torch.testing.assert_close(call(name, NEW, OLD, *columns, **settings), call("dpo", NEW, OLD, beta=0.3))


def as_group(pair_of, kind=Group):
    chosen, rejected = pair_of
    rows = [r.tolist() for c, x in zip(chosen.token_BT, rejected.token_BT) for r in (c, x)]
    return kind(logps(*rows), torch.arange(len(rows)) // 2)


def test_lists_of_two_are_pairs():
    new, old, scores = as_group(NEW), as_group(OLD), [1.0, 0.0] * 5
    dpo = call("dpo", NEW, OLD, beta=0.3)
    torch.testing.assert_close(call("plackett_luce", new, old, beta=0.3), dpo)
    torch.testing.assert_close(call("listmle", new, old, scores, beta=0.3), dpo)
    torch.testing.assert_close(call("infonca", new, old, scores, beta=0.3, temperature=1e-4), dpo)
    torch.testing.assert_close(call("listnet", new, old, scores, beta=0.3, temperature=1e-4), dpo)
    torch.testing.assert_close(call("d2o", new, old, beta=0.3, alpha=0.3), dpo)
    gain = (2 - 1) * (1 / math.log(2) - 1 / math.log(3))
    torch.testing.assert_close(call("lipo", new, old, scores, beta=0.3), dpo * gain)
    nca = call("nca", new, old, scores, beta=0.3, temperature=1e-4)
    torch.testing.assert_close(nca, call("nca_pair", NEW, OLD, beta=0.3))
    exo = call("exo", new, old, scores, beta=0.3, temperature=0.5)
    eps = 1 / (1 + math.exp(2.0))  # softmax of (1, 0) / 0.5
    torch.testing.assert_close(exo, call("exo_pair", NEW, OLD, beta=0.3, label_smoothing=eps))
    hinge = call("rrhf", new, scores) + NEW.chosen.mean.double()
    torch.testing.assert_close(hinge, torch.relu(NEW.rejected.mean - NEW.chosen.mean).double())


def test_losses_without_a_reference_are_dpo_with_a_silent_one():
    torch.testing.assert_close(call("cpo", NEW, beta=0.3, sft=0.0), call("dpo", NEW, ZERO, beta=0.3))
    torch.testing.assert_close(call("simpo", NEW, beta=0.3, gamma=0.0), call("ln_dpo", NEW, ZERO, beta=0.3))
    torch.testing.assert_close(call("alphapo", NEW, alpha=0.0), call("simpo", NEW, beta=2.5, gamma=0.25))
    three = Group(logps(-1.0, -2.0, -3.0), torch.zeros(3, dtype=torch.long))
    contrast = call("tpo", three, beta=0.3, alpha=0.0)
    torch.testing.assert_close(contrast, call("cpo", pair(-1.0, -2.0), beta=0.3, sft=0.0))
    assert float(call("tpo", three, beta=0.3, alpha=1.0) - contrast) == pytest.approx(3.0)
    torch.testing.assert_close(
        call("tpo_l", three, beta=0.3, gamma=0.2, alpha=0.0),
        call("simpo", pair(-1.0, -2.0), beta=0.3, gamma=0.2),
    )


def test_ln_dpo_is_dpo_with_beta_over_the_common_length():
    torch.testing.assert_close(call("ln_dpo", NEW, OLD, beta=0.9), call("dpo", NEW, OLD, beta=0.3))


def test_the_token_form_of_ipo_is_the_sum_form_scaled():
    """With n tokens each: (1/n^2) (gap - n / (2 beta))^2."""
    token = call("ipo", NEW, OLD, beta=0.4, normalise="token")
    torch.testing.assert_close(token, call("ipo", NEW, OLD, beta=0.4 / 3, normalise="sum") / 9)


def test_apo_zero_and_bco_are_their_unpaired_forms_on_both_answers():
    label = torch.tensor([1.0, 0.0] * 5)
    answers = as_group(NEW).answers, as_group(OLD).answers
    both = call("apo_zero_unpaired", *answers, label.tolist(), beta=0.3).view(-1, 2).sum(1)
    torch.testing.assert_close(both, call("apo_zero", NEW, OLD, beta=0.3))
    singles = [Batch(x, torch.arange(10)) for x in answers]
    both = call("bco", *singles, label.tolist(), beta=0.3, shift=0.0).view(-1, 2).sum(1)
    torch.testing.assert_close(both, call("bco_pair", NEW, OLD, beta=0.3))


def test_sppo_with_certain_labels_is_sppo_hard():
    answers = as_group(NEW).answers, as_group(OLD).answers
    both = call("sppo", *answers, [1.0, 0.0] * 5, beta=0.3).view(-1, 2).sum(1)
    torch.testing.assert_close(both, call("sppo_hard", NEW, OLD, beta=0.3))


def test_bco_bounds_dpo_from_above():
    assert (call("bco_pair", NEW, OLD, beta=2.0) >= call("dpo", NEW, OLD, beta=2.0)).all()


def test_bco_shifts_by_the_middle_of_the_two_kinds_rewards():
    new, old = (
        batch([-1.0], [-1.0], [-7.0]),
        batch([-2.0], [-4.0], [-3.0]),
    )  # rewards 1, 3, -4: (2 - 4) / 2 = -1
    got = call("bco", new, old, [1.0, 1.0, 0.0], beta=1.0)
    assert got.tolist() == pytest.approx([math.log1p(math.exp(-u)) for u in (2.0, 4.0, 3.0)])
    weighed = call("bco", new, old, [1.0, 1.0, 0.0], [5.0, 5.0, 2.0], beta=1.0)
    assert (weighed / got).tolist() == pytest.approx([1.0, 1.0, 2.0])  # good answers keep weight 1
    alone = call("bco", batch([-1.0]), batch([-2.0]), [0.0], beta=1.0)
    assert float(alone) == pytest.approx(LOG2)  # one kind: its own mean


@pytest.mark.parametrize("name", ["aot", "aot_unpaired"])
def test_aot_is_dpo_for_one_pair_and_does_not_see_the_order_of_a_batch(name):
    new, old = as_group(NEW, Batch), as_group(OLD, Batch)
    one = [Batch(Logps(b.answers.token_BT[:2], b.answers.mask_BT[:2]), b.group_B[:2]) for b in (new, old)]
    torch.testing.assert_close(call(name, *one, beta=0.3), call("dpo", NEW, OLD, beta=0.3)[:1])
    turn = torch.arange(10).view(-1, 2).flip(0).reshape(-1)
    turned = [Batch(Logps(b.answers.token_BT[turn], b.answers.mask_BT[turn]), b.group_B) for b in (new, old)]
    torch.testing.assert_close(call(name, *turned), call(name, new, old))
    with pytest.raises(ValueError, match="are not pairs"):
        call(name, batch([-1.0, -2.0, -3.0]), batch([-1.0, -2.0, -3.0]))


def test_the_expectation_of_robust_dpo_over_flips_is_the_clean_loss():
    eps, flipped = 0.2, [Pair(p.rejected, p.chosen) for p in (NEW, OLD)]
    settings = {"beta": 0.3, "label_smoothing": eps}
    mean = (1 - eps) * call("robust_dpo", NEW, OLD, **settings) + eps * call(
        "robust_dpo", *flipped, **settings
    )
    torch.testing.assert_close(mean, call("dpo", NEW, OLD, beta=0.3))


def test_d2o_never_exceeds_the_mean_of_dpo_over_its_anchors():
    new, old = group(-1.0, -3.0, -2.0, -4.0), group(-2.0, -1.0, -2.5, -3.0)
    totals = zip(new.answers.total[:3].tolist(), old.answers.total[:3].tolist())
    each = [float(call("dpo", pair(n, -4.0), pair(o, -3.0), beta=0.7)) for n, o in totals]
    assert float(call("d2o", new, old, beta=0.7, alpha=0.7)) <= np.mean(each)


# --- signs, limits and optima ---------------------------------------------------------------------------------


def test_a_price_on_length_makes_longer_winners_teach_less():
    """For alpha > 0 the slope sigma(-u) shrinks when the chosen answer is the longer one."""

    def slope(chosen):
        tokens = torch.tensor([chosen], dtype=torch.float64, requires_grad=True)
        mask = torch.ones(1, len(chosen), dtype=torch.bool)
        rejected = double(logps([-1.0, -1.0]))
        old = Pair(Logps(tokens.detach(), mask), rejected)
        loss = load_objective("rdpo")(Pair(Logps(tokens, mask), rejected), old, alpha=0.5)
        return abs(float(torch.autograd.grad(loss.sum(), tokens)[0][0, 0]))

    assert slope([-1.0] * 4) < slope([-1.0] * 2) < slope([-1.0])


@pytest.mark.parametrize(
    ("name", "settings", "gap"),
    [
        ("cdpo", {"beta": 0.5, "label_smoothing": 0.1}, math.log(9) / 0.5),
        ("exo_pair", {"beta": 0.5, "label_smoothing": 0.1}, math.log(9) / 0.5),
        ("ipo", {"beta": 0.5, "normalise": "sum"}, 1.0),
        ("ipo", {"beta": 0.5, "normalise": "token"}, 1.0),
    ],
)
def test_losses_with_a_finite_optimum_stand_still_there(name, settings, gap):
    x = torch.tensor([[gap - 2.0]], dtype=torch.float64, requires_grad=True)
    one = torch.ones(1, 1, dtype=torch.bool)
    old = double(pair(-2.0, -3.0))
    loss = load_objective(name)(Pair(Logps(x, one), old.rejected), old, **settings)
    (slope,) = torch.autograd.grad(loss.sum(), x)
    assert float(slope) == pytest.approx(0, abs=1e-9)


def test_ncas_optimum_is_an_absolute_log_ratio():
    """s_i = log(K q_i): with q = (3/4, 1/4) and K = 2, log 3/2 and log 1/2."""
    x = torch.tensor([[math.log(1.5)], [math.log(0.5)]], dtype=torch.float64, requires_grad=True)
    ones, of = torch.ones(2, 1, dtype=torch.bool), torch.zeros(2, dtype=torch.long)
    old = Group(Logps(torch.zeros(2, 1, dtype=torch.float64), ones), of)
    scores = torch.tensor([math.log(3.0), 0.0], dtype=torch.float64)
    loss = load_objective("nca")(Group(Logps(x, ones), of), old, scores, beta=1.0, temperature=1.0)
    (slope,) = torch.autograd.grad(loss.sum(), x)
    assert slope.abs().max() < 1e-9


def test_robust_dpos_slope_never_vanishes():
    x = torch.tensor([[500.0]], dtype=torch.float64, requires_grad=True)
    one = torch.ones(1, 1, dtype=torch.bool)
    old = double(pair(0.0, 0.0))
    loss = load_objective("robust_dpo")(Pair(Logps(x, one), old.rejected), old, beta=1.0, label_smoothing=0.1)
    (slope,) = torch.autograd.grad(loss.sum(), x)
    assert float(slope) == pytest.approx(-0.125)


def test_dpop_pays_only_for_chosen_answers_that_fell():
    old = pair(-2.0, -3.0)
    rose, fell = pair(-1.0, -3.0), pair(-2.5, -5.0)
    assert float(call("dpop", rose, old, beta=1.0)) == pytest.approx(float(call("dpo", rose, old, beta=1.0)))
    u = 1.5 - 3.0 * 0.5  # margin 1.5, less 3 times the half nat it fell
    assert float(call("dpop", fell, old, beta=1.0, penalty=3.0)) == pytest.approx(math.log1p(math.exp(-u)))


def test_safe_dpo_lets_the_safe_answer_win_and_drops_pairs_that_are_both_unsafe():
    flags = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]
    same = pairs(*[(-1.0, -1.0)] * 4)
    got = call("safe_dpo", same, same, flags, delta=1.0)
    assert got.tolist() == pytest.approx([LOG2, 1.313262, 1.313262, 0.0], abs=1e-5)
    new, old = pairs((-1.0, -4.0), (-4.0, -1.0)), pairs((-2.0, -3.0), (-3.0, -2.0))
    kept, swapped = call("safe_dpo", new, old, [[0.0, 1.0], [1.0, 0.0]], beta=1.0).tolist()
    assert kept == pytest.approx(swapped)


def test_ld_dpo_forgets_the_tail_at_zero_and_halves_it_at_one_half():
    new, old = pair([-1.0, -1.0, -4.0], -2.0), pair([-1.0, -1.0, -1.0], -2.0)
    values = [float(call("ld_dpo", new, old, beta=1.0, alpha=a)) for a in (0.0, 0.5, 1.0)]
    assert values == pytest.approx([math.log1p(math.exp(u)) for u in (0.0, 1.5, 3.0)])


def test_wpo_weighs_by_what_the_policy_would_write_without_a_gradient_to_the_weight():
    x = torch.tensor([[-1.0], [-2.0]], dtype=torch.float64, requires_grad=True)
    one = torch.ones(1, 1, dtype=torch.bool)
    new = Pair(Logps(x[:1], one), Logps(x[1:], one))
    loss = load_objective("wpo")(new, double(pair(-1.0, -2.0)), beta=1.0)
    assert float(loss.detach()) == pytest.approx(math.exp(-3.0) * LOG2)
    (slope,) = torch.autograd.grad(loss.sum(), x)
    assert slope[:, 0].tolist() == pytest.approx([-math.exp(-3.0) / 2, math.exp(-3.0) / 2])


def test_bcos_shift_carries_no_gradient():
    """Rewards 1 and -1 with beta 0.5 of 2 and -2: shift 0, slopes -beta sigma(-1) and 3 beta sigma(-1)."""
    x = torch.tensor([[-1.0], [-5.0]], dtype=torch.float64, requires_grad=True)
    one, of = torch.ones(2, 1, dtype=torch.bool), torch.tensor([0, 1])
    old = double(batch([-3.0], [-3.0]))
    label, ratio = torch.tensor([1.0, 0.0]), torch.tensor([1.0, 3.0], dtype=torch.float64)
    loss = load_objective("bco")(Batch(Logps(x, one), of), old, label, ratio, beta=0.5)
    (slope,) = torch.autograd.grad(loss.sum(), x)
    sigma = 1 / (1 + math.e)
    assert slope[:, 0].tolist() == pytest.approx([-0.5 * sigma, 1.5 * sigma])


def test_lipos_weights_carry_no_gradient():
    """Two answers: minus W beta sigma(-gap) and its opposite, W = 1 * (1 / log 2 - 1 / log 3)."""
    x = torch.tensor([[-1.0], [-2.0]], dtype=torch.float64, requires_grad=True)
    one, of = torch.ones(2, 1, dtype=torch.bool), torch.zeros(2, dtype=torch.long)
    old = double(group(-2.0, -2.0))
    scores = torch.tensor([1.0, 0.0], dtype=torch.float64)
    loss = load_objective("lipo")(Group(Logps(x, one), of), old, scores, beta=0.5)
    (slope,) = torch.autograd.grad(loss.sum(), x)
    size = 0.5 * (1 / math.log(2) - 1 / math.log(3)) / (1 + math.exp(0.5))
    assert slope[:, 0].tolist() == pytest.approx([-size, size])


def test_dro_is_still_where_the_log_ratio_explains_the_reward():
    assert float(call("dro", logps(-1.0), logps(-3.0), [5.0], [1.0], tau=2.0)) == 0.0
    shifted = (
        call("dro", logps(-1.0), logps(-2.0), [5.0], [1.0]),
        call("dro", logps(-1.0), logps(-2.0), [8.0], [4.0]),
    )
    assert shifted[0] == shifted[1]  # the value takes up what all answers of a prompt share


# --- lists ----------------------------------------------------------------------------------------------------


def test_lists_of_several_sizes_are_rectangles_with_a_mask():
    ragged = Group(logps(-1.0, -2.0, -3.0, -4.0, -5.0), torch.tensor([0, 0, 1, 1, 1]))
    shape = lists(ragged)
    assert shape.of(ragged.answers.total, fill=9.0).tolist() == [[-1, -2, 9], [-3, -4, -5]]
    assert ranks(shape.of(ragged.answers.total), shape.mask_GK)[:, :2].tolist() == [[1, 2], [1, 2]]
    assert ranks(torch.zeros(1, 3), torch.ones(1, 3, dtype=torch.bool)).tolist() == [[1, 2, 3]]


@pytest.mark.parametrize("name", LISTS)
def test_a_list_has_the_same_loss_beside_longer_ones(name):
    two, three = ([-1.0, -2.5], [0.9, 0.1]), ([-3.0, -1.5, -2.0], [0.2, 0.7, 0.4])
    asked = needs(load_objective(name)).columns

    def loss(*chosen):
        of = torch.tensor([i for i, (values, _) in enumerate(chosen) for _ in values])
        new = Group(logps(*[x for values, _ in chosen for x in values]), of)
        old = Group(logps(*[x - 0.5 * i for values, _ in chosen for i, x in enumerate(values)]), of)
        known = [old] * needs(load_objective(name)).reference
        return call(name, new, *known, *[[s for _, values in chosen for s in values]] * len(asked))

    alone = torch.cat([loss(two), loss(three)])
    torch.testing.assert_close(loss(two, three), alone)
    torch.testing.assert_close(loss(three, two), alone.flip(0))


def plain_pro(s, rewards, best_nll, weight):
    """PRO as printed, in loops: answers already from best to worst."""
    total, n = 0.0, len(s)
    for k in range(n - 1):
        gaps = [rewards[k] - rewards[i] for i in range(k + 1, n)]
        own = max(gaps)
        terms = [math.exp(s[k] * own)] + [math.exp(s[k + 1 + j] * gap) for j, gap in enumerate(gaps)]
        total += math.log(sum(terms)) - s[k] * own
    return total + weight * (n - 1) ** 2 * best_nll


def test_pro_is_the_paper_in_loops_whatever_the_order_of_the_answers():
    s, rewards = [-1.0, -0.5, -2.0, -1.2], [0.9, 0.6, 0.3, 0.0]
    want = plain_pro(s, rewards, 1.0, 0.05)
    turn = [2, 0, 3, 1]
    got = call("pro", group(*[s[i] for i in turn]), [rewards[i] for i in turn])
    assert float(got) == pytest.approx(want)
    level = call("pro", group(*s), [0.5] * 4, sft=0.0)
    assert float(level) == pytest.approx(math.log(4) + math.log(3) + math.log(2))  # every T is 0


def test_rrhf_is_the_paper_in_loops():
    p, scores = [-1.0, -0.5, -2.0, -1.2], [0.1, 0.9, 0.9, 0.5]
    rank = sum(max(0.0, p[i] - p[j]) for i in range(4) for j in range(4) if scores[i] < scores[j])
    assert float(call("rrhf", group(*p), scores, weight=0.7)) == pytest.approx(0.7 * rank + 0.5)
    ordered = call("rrhf", group(-1.0, -2.0, -3.0), [3.0, 2.0, 1.0])
    assert float(ordered) == pytest.approx(1.0)  # the imitation only


def test_lipo_is_the_paper_in_loops():
    s, scores = [0.3, -0.2, 0.9, 0.1], [0.2, 1.0, 0.5, 0.0]
    rank = {i: 1 + sum(x > s[i] for x in s) for i in range(4)}
    want = 0.0
    for i in range(4):
        for j in range(4):
            if scores[i] > scores[j]:
                gain = abs(2 ** scores[i] - 2 ** scores[j])
                cut = abs(1 / math.log(1 + rank[i]) - 1 / math.log(1 + rank[j]))
                want += gain * cut * math.log1p(math.exp(-(s[i] - s[j])))
    old = group(-3.0, -3.0, -3.0, -3.0)
    assert float(call("lipo", group(*[x - 3 for x in s]), old, scores, beta=1.0)) == pytest.approx(
        want, rel=1e-6
    )


def test_triples_that_are_not_triples_are_refused():
    for name in ("tpo", "tpo_l"):
        with pytest.raises(ValueError, match="not triples"):
            call(name, group(-1.0, -2.0))


# --- mixtures -------------------------------------------------------------------------------------------------


def test_a_mixture_is_the_weighted_sum_of_its_parts():
    got = call("mixture", NEW, OLD, losses={"dpo": 0.8, "bco_pair": 0.2, "sft": 1.0, "simpo": 0.5})
    want = 0.8 * call("dpo", NEW, OLD) + 0.2 * call("bco_pair", NEW, OLD) - NEW.chosen.mean.double()
    torch.testing.assert_close(got, want + 0.5 * call("simpo", NEW))


@pytest.mark.parametrize("name", ["kto", "odpo", "lipo", "kl_anchor", "tdpo1"])
def test_a_mixture_refuses_what_needs_more_than_a_pair(name):
    with pytest.raises(UserError, match=f"{name} cannot be part of a mixture"):
        call("mixture", NEW, OLD, losses={name: 1.0})


def test_an_unknown_divergence_is_refused():
    with pytest.raises(UserError, match="no divergence 'kl'"):
        call("f_dpo", NEW, OLD, divergence="kl")


# --- finite differences, in float64 ---------------------------------------------------------------------------

STILL = {
    "wpo",
    "lipo",
    "tdpo2",
    "bco",
    "kto",
}  # they hold a part still; their slopes are tested by hand above


def ragged(coupling, x):
    """Eighteen log-probs as six answers of 3, 2, 4, 4, 1 and 4 tokens, three of each kind of thing."""
    lengths = [3, 2, 4, 4, 1, 4]
    mask = torch.arange(4) < torch.tensor(lengths)[:, None]
    answers = Logps(torch.zeros(6, 4, dtype=x.dtype).masked_scatter(mask, x), mask)
    if coupling == "answer":
        return answers
    if coupling == "pair":
        return Pair(*(Logps(answers.token_BT[i::2], mask[i::2]) for i in (0, 1)))
    of = torch.tensor([0, 0, 0, 1, 1, 1] if coupling == "group" else [0, 0, 1, 1, 2, 2])
    return (Group if coupling == "group" else Batch)(answers, of)


SHAPES = {"scores": 6, "unsafe": (3, 2)}


@pytest.mark.parametrize("name", [n for n in MINE if n not in STILL])
def test_gradients_are_finite_differences(name):
    function = load_objective(name)
    need = needs(function)
    draw = np.random.default_rng(5)
    per = 6 if need.coupling == "answer" else 3
    columns = [torch.tensor(draw.random(SHAPES.get(c, per)).round(1)) for c in need.columns]
    known = [torch.tensor(-draw.random(18) - 0.1) for _ in range(need.reference + need.kl)]
    if need.kl:
        known[1] = -known[1]

    def loss(x):
        return function(ragged(need.coupling, x), *[ragged(need.coupling, k) for k in known], *columns)

    x = torch.tensor(-draw.random(18) - 0.1, requires_grad=True)
    assert torch.autograd.gradcheck(loss, (x,), eps=1e-6, atol=1e-7, rtol=1e-6)


@pytest.mark.parametrize("name", [n for n in MINE if needs(load_objective(n)).reference and n not in STILL])
def test_the_gradient_by_the_reference_is_minus_that_by_the_policy(name):
    """True of everything that reads log-ratios only; AOT sorts its sides apart."""
    if name in ("aot", "mixture", "tdpo1"):
        pytest.skip("reads more than log-ratios")
    function = load_objective(name)
    need = needs(function)
    draw = np.random.default_rng(5)
    per = 6 if need.coupling == "answer" else 3
    columns = [torch.tensor(draw.random(SHAPES.get(c, per)).round(1)) for c in need.columns]
    new, old = (torch.tensor(-draw.random(18) - 0.1, requires_grad=True) for _ in "ab")
    loss = function(ragged(need.coupling, new), ragged(need.coupling, old), *columns).sum()
    by_new, by_old = torch.autograd.grad(loss, (new, old))
    torch.testing.assert_close(by_new, -by_old)


def test_log1mexp_is_exact_at_both_ends_and_has_no_nan_gradient():
    x = torch.tensor([-1e-6, -0.1, -LOG2, -5.0, -800.0, 0.0], dtype=torch.float64, requires_grad=True)
    got = log1mexp(x)
    want = [math.log(-math.expm1(v)) for v in (-1e-6, -0.1, -LOG2, -5.0)] + [
        -0.0,
        math.log(-math.expm1(-1e-7)),
    ]
    assert got.tolist() == pytest.approx(want, rel=1e-9)
    (slope,) = torch.autograd.grad(got.sum(), x)
    assert torch.isfinite(slope).all()


# --- thumbs-up data -------------------------------------------------------------------------------------------


def test_mismatched_answers_are_the_neighbours_and_pairs_are_refused():
    singles = [Example((i,), ((10 + i,),)) for i in range(1, 4)]
    assert [e.completions for e in with_mismatched(singles)] == [
        ((11,), (13,)), ((12,), (11,)), ((13,), (12,)),
    ]  # fmt: skip
    with pytest.raises(UserError, match="several completions"):
        with_mismatched(plain.pairs(3))
    with pytest.raises(UserError, match="no others"):
        with_mismatched(singles[:1])


def test_density_ratios_are_scikit_learns_balanced_logistic_regression():
    from sklearn.linear_model import LogisticRegression

    draw = np.random.default_rng(0)
    labels = np.arange(60) % 3 == 0
    features = draw.normal(size=(60, 3)) + labels[:, None]
    model = LogisticRegression(class_weight="balanced", tol=1e-10).fit(features, labels)
    p = model.predict_proba(features)[:, 1]
    np.testing.assert_allclose(
        density_ratios(features, labels.tolist()), np.clip(p / (1 - p), 0.5, 10), rtol=1e-3
    )
    with pytest.raises(UserError, match="both kinds"):
        density_ratios(features, [True] * 60)


# --- training -------------------------------------------------------------------------------------------------


def taught(name, examples, *, lr=2e-4, **settings):
    """Losses of the same whole batch over a few steps of gradient descent."""
    losses: list[float] = []
    tasks = [Task("t", examples, objective(name, **settings), batch=len(examples))]
    fit(
        plain.policy_of(plain.tiny_llama(0)),
        tasks,
        steps=6,
        lr=lr,
        schedule="constant",
        warmup=0,
        on_step=lambda seen: losses.append(seen["t/loss"]),
    )
    return losses


def examples_for(name):
    need = needs(load_objective(name))
    draw = np.random.default_rng(3)
    if name in ("tpo", "tpo_l") or need.coupling == "group":
        made = [e._replace(completions=(*e.completions, (5, 6, 7))) for e in plain.pairs(4)]
    elif name == "bco":
        made = [e._replace(completions=e.completions[:1]) for e in plain.pairs(4)]
    else:
        made = plain.pairs(4)
    each = {
        "label": lambda e, i: float(i % 2),
        "scores": lambda e, i: draw.random(len(e.completions)).tolist(),
        "reward": lambda e, i: float(i),
        "unsafe": lambda e, i: [0.0, float(i % 2)],
    }
    columns = [c for c in need.columns if c not in need.optional]
    return [
        e._replace(columns={c: each.get(c, lambda e, i: 0.1 * i)(e, i) for c in columns})
        for i, e in enumerate(made)
    ]


@pytest.mark.parametrize("name", MINE)
def test_it_trains(name):
    # LiPO's weights follow the current ranks, so its loss falls only once the order is right
    losses = taught(name, examples_for(name), lr=1e-2 if name == "lipo" else 2e-4)
    if name == "discopop":  # moves the wrong way from the start, as its docstring says
        assert losses[-1] != losses[0]
    else:
        assert losses[-1] < losses[0]


@pytest.mark.parametrize("name", ["kto", "bco", "apo_zero_unpaired"])
def test_rewards_of_good_and_bad_answers_are_reported_of_the_labelled_ones(name):
    seen: list[dict[str, float]] = []
    module = plain.tiny_llama(0)
    examples = [e._replace(completions=e.completions[:1]) for e in plain.pairs(4)]
    examples = [e._replace(columns={"label": float(i < 3)}) for i, e in enumerate(examples)]
    given = with_mismatched(examples) if name == "kto" else examples
    fit(plain.policy_of(module), [Task("t", given, name, batch=4)], steps=1, lr=0.0,
        reference=plain.policy_of(plain.tiny_llama(1)), on_step=seen.append)  # fmt: skip
    rewards = []
    for e in examples:
        new, old = (plain.logps(m, e.prompt, e.completions[0]).sum() for m in (module, plain.tiny_llama(1)))
        rewards.append(0.1 * float((new - old).detach()))
    assert seen[0]["t/rewards/chosen"] == pytest.approx(np.mean(rewards[:3]), abs=1e-4)
    assert seen[0]["t/rewards/rejected"] == pytest.approx(rewards[3], abs=1e-4)


def test_names_of_trl_lead_to_objectives_and_every_one_of_its_losses_has_a_name():
    from trl import DPOConfig
    from trl.trainer import dpo_trainer

    known = set(names("truenorth.learn.objectives"))
    for table in (DPO_LOSS_TYPES, KTO_LOSS_TYPES, CPO_LOSS_TYPES, TPO_LOSS_TYPES):
        assert set(table.values()) <= known
    source = inspect.getsource(dpo_trainer.DPOTrainer._compute_loss)
    theirs = {line.split('"')[1] for line in source.splitlines() if "if loss_type ==" in line}
    assert set(DPO_LOSS_TYPES) == theirs
    assert DPOConfig.__dataclass_fields__["loss_type"] is not None
