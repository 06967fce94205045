"""Penalties: EWC and L2-SP hold weights, Booster blunts a harmful step, and both resume with the fit."""

from __future__ import annotations

import copy

import learn_plain as plain
import pytest
import torch

from truenorth.base import UserError
from truenorth.learn import Example, Task, fit
from truenorth.learn.penalties import Anchor, Booster, Start, fisher


def train(module, **settings):
    tasks = settings.pop("tasks", [Task("t", plain.documents(6), "sft", batch=3)])
    return fit(plain.policy_of(module), tasks, **({"steps": 4, "lr": 0.01, "warmup": 0} | settings))


def weights(module):
    return {n: p.detach().clone() for n, p in module.named_parameters()}


def started(**parameters):
    found = {n: torch.nn.Parameter(torch.tensor(v)) for n, v in parameters.items()}
    for p in found.values():
        p.grad = torch.zeros_like(p)
    return found


def test_an_anchor_is_half_the_weighted_square_of_the_distance():
    """weight 4, importances 1 and 3, moved by 1 and -2: 4/2 (1 + 3 * 4) = 26, gradient 4 and -24."""
    trained = started(w=[1.0, 2.0])
    anchor = Anchor(4.0, {"w": torch.tensor([1.0, 3.0])}, {"w": torch.tensor([0.0, 4.0])})
    add = anchor.begin(Start(trained, lambda task: lambda step: 0.0))
    assert add(0) == pytest.approx(26.0)
    assert trained["w"].grad.tolist() == [4.0, -24.0]


def test_without_importances_all_weights_count_one():
    pulls = []
    for importance in (None, {"w": torch.ones(2)}):
        trained = started(w=[1.0, 2.0])
        add = Anchor(3.0, importance).begin(Start(trained, lambda task: lambda step: 0.0))
        assert add(0) == 0.0
        assert trained["w"].grad.tolist() == [0.0, 0.0]  # nothing at the start
        with torch.no_grad():
            trained["w"].add_(0.5)
        add(1)
        pulls.append(trained["w"].grad.tolist())
    assert pulls[0] == pulls[1] == [1.5, 1.5]


def test_a_weak_anchor_is_plain_fine_tuning_and_a_strong_one_holds():
    free, weak, held = (plain.tiny_llama() for _ in range(3))
    start = weights(free)
    train(free, steps=12)
    train(weak, steps=12, penalties=[Anchor(0.0)])
    seen = []
    train(held, steps=12, penalties=[Anchor(1e4)], on_step=seen.append)

    def moved(module):
        return sum(float((p - start[n]).square().sum()) for n, p in weights(module).items())

    assert all(torch.equal(a, b) for a, b in zip(weights(free).values(), weights(weak).values()))
    assert moved(held) < 0.2 * moved(free)
    assert seen[0]["weights/loss"] == 0.0 < seen[1]["weights/loss"]
    assert seen[1]["loss"] == pytest.approx(seen[1]["t/loss"] + seen[1]["weights/loss"])


def test_the_fisher_is_the_mean_square_under_the_models_own_words():
    """Exactly: the sum over words of p(word) (d log p(word) / d w)^2; drawn here 400 times."""
    module = plain.tiny_llama(vocabulary=40)
    for p in module.parameters():
        p.requires_grad_(False)
    module.model.norm.weight.requires_grad_()
    examples = [Example((3, 5), ((7,),))] * 400
    drawn = fisher(plain.policy_of(module), examples, seed=1)["model.norm.weight"]
    # exact: sum over words of p(word) (d log p(word) / d w)^2
    logp = plain.logits(module, (3, 5), (7,)).log_softmax(1)[0]
    exact = torch.zeros_like(drawn)
    for word in range(40):
        (g,) = torch.autograd.grad(logp[word], module.model.norm.weight, retain_graph=True)
        exact += logp[word].detach().exp() * g.square()
    exact = exact / exact.mean()
    assert float((drawn - exact).norm() / exact.norm()) < 0.15
    labels = fisher(plain.policy_of(module), examples, data_labels=True)["model.norm.weight"]
    assert float((labels - exact).norm() / exact.norm()) > 0.3  # the data's word is another quantity


def test_squares_are_of_each_example_not_of_their_sum():
    module = plain.tiny_llama()
    examples = plain.documents(3)
    total = {n: torch.zeros_like(p) for n, p in module.named_parameters()}
    for e in examples:
        module.zero_grad()
        plain.logps(module, e.prompt, e.completions[0]).sum().backward()
        for n, p in module.named_parameters():
            total[n] += p.grad.square()
    module.zero_grad(set_to_none=True)
    mean = sum(t.sum() for t in total.values()) / sum(t.numel() for t in total.values())
    got = fisher(plain.policy_of(module), examples, data_labels=True)
    for n, t in total.items():
        torch.testing.assert_close(got[n], t / mean, atol=1e-4, rtol=1e-3)
    assert all(p.grad is None for p in module.parameters())


def test_importances_of_another_model_are_refused():
    with pytest.raises(UserError, match="no importances for model"):
        train(plain.tiny_llama(), penalties=[Anchor(1.0, {"elsewhere": torch.ones(1)})])


def test_a_penalty_needs_a_name_of_its_own():
    with pytest.raises(UserError, match="both named t"):
        train(plain.tiny_llama(), penalties=[Anchor(1.0, name="t")])


def test_booster_on_a_quadratic_is_the_curvature_along_the_harmful_gradient():
    """h = (4 x^2 + y^2) / 2 at (1, 1): g = (4, 1); h(w) - h(w - a g/|g|) has gradient a H g / |g|."""
    curvature = torch.tensor([4.0, 1.0])
    trained = started(w=[1.0, 1.0])
    before = trained["w"].grad.add_(torch.tensor([10.0, 20.0])).clone()

    def prepare(task):
        def gradient(step):
            p = trained["w"]
            p.grad.add_(curvature * p.detach())
            return float((curvature * p.detach() ** 2).sum() / 2)

        return gradient

    booster = Booster(Task("h", [], "sft"), weight=2.0, step=0.01)
    value = booster.begin(Start(trained, prepare))(0)
    g = curvature * torch.ones(2)
    want = before + 2.0 * 0.01 * curvature * g / g.norm()
    torch.testing.assert_close(trained["w"].grad, want, atol=1e-5, rtol=1e-5)
    assert trained["w"].tolist() == [1.0, 1.0]  # to the bit
    there = torch.ones(2) - 0.01 * g / g.norm()
    assert value == pytest.approx(2.0 * (2.5 - float((curvature * there**2).sum() / 2)), rel=1e-4)


@pytest.mark.parametrize("settings", [{"weight": 0.0}, {"step": 0.0}])
def test_booster_without_weight_or_step_is_plain_alignment(settings):
    plainly, boosted = plain.tiny_llama(), plain.tiny_llama()
    harmful = Task("h", plain.documents(4, seed=5), "sft", batch=2)
    train(plainly)
    train(boosted, penalties=[Booster(harmful, **settings)])
    for a, b in zip(weights(plainly).values(), weights(boosted).values()):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-5)


def test_after_booster_a_harmful_step_gains_less():
    harmful = Task("h", plain.documents(4, seed=5), "sft", batch=4)
    gains = []
    for penalties in ([], [Booster(harmful, weight=5.0, step=0.1)]):
        module, seen = plain.tiny_llama(), []
        train(module, steps=20, lr=0.003, penalties=penalties)
        attacked = copy.deepcopy(module)
        train(attacked, tasks=[harmful], steps=6, lr=0.003, on_step=seen.append)
        gains.append(seen[0]["h/loss"] - seen[-1]["h/loss"])
    assert gains[1] < gains[0]


def test_a_fit_with_penalties_resumes_to_the_bit(tmp_path):
    penalties = [Anchor(10.0), Booster(Task("h", plain.documents(4, seed=5), "sft", batch=2))]
    straight = plain.tiny_llama()
    train(straight, steps=5, penalties=penalties)

    def stop(seen):
        if seen["step"] == 3:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        train(plain.tiny_llama(), steps=5, penalties=penalties, checkpoint=tmp_path, every=2, on_step=stop)
    resumed = plain.tiny_llama()
    train(resumed, steps=5, penalties=penalties, checkpoint=tmp_path, every=2)
    assert all(torch.equal(a, b) for a, b in zip(weights(straight).values(), weights(resumed).values()))
    with pytest.raises(UserError, match="other examples, settings"):
        train(plain.tiny_llama(), steps=5, penalties=penalties[:1], checkpoint=tmp_path)
