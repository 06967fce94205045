"""The fused step gives the loss and the gradient that autograd gives over the model's own logits."""

from __future__ import annotations

import copy
from functools import partial

import learn_plain as plain
import pytest
import torch
import torch.nn.functional as F

from truenorth.learn.coupling import load_objective, needs
from truenorth.learn.gradient import task_gradient
from truenorth.learn.reference import compute_reference
from truenorth.learn.types import Batch, Example, Group, Losses
from truenorth.learn.work import Work
from truenorth.models.forward import Forward
from truenorth.models.head import head_of


def fused(
    module,
    reference,
    examples,
    objective,
    *,
    average=None,
    weight=1.0,
    micro_tokens=10_000,
    path="packed",
    compute=torch.float32,
):
    """(loss, gradients) of one step of the real machinery."""
    need = needs(objective)
    forward = Forward(module, path, compute)
    indices = list(range(len(examples)))
    known = None
    if need.reference:
        known = compute_reference(Forward(reference, path, compute), examples, indices, need, fixed_head=True)
    work = Work("t", objective, need, average or need.average, weight, known)
    module.zero_grad()
    part = task_gradient(forward, work, examples, indices, micro_tokens)
    return part.loss, plain.gradients(module)


def autograd(module, loss):
    module.zero_grad()
    loss.backward()
    return loss.detach(), plain.gradients(module)


def check(got, want, tolerance=2e-5):
    torch.testing.assert_close(got[0], want[0], atol=1e-5, rtol=1e-5)
    assert got[1].keys() == want[1].keys()
    for name in want[1]:
        torch.testing.assert_close(
            got[1][name], want[1][name], atol=tolerance, rtol=1e-4, msg=lambda m, name=name: f"{name}: {m}"
        )


def total(module, example, which):
    return plain.logps(module, example.prompt, example.completions[which]).sum()


def plain_dpo(module, reference, examples, *, beta=0.1, eps=0.0, sft=0.0):
    losses = []
    for e in examples:
        with torch.no_grad():
            base = total(reference, e, 0) - total(reference, e, 1)
        z = beta * (total(module, e, 0) - total(module, e, 1) - base)
        loss = -(1 - eps) * F.logsigmoid(z) - eps * F.logsigmoid(-z)
        losses.append(e.weight * (loss - sft * total(module, e, 0) / len(e.completions[0])))
    return torch.stack(losses).sum() / sum(e.weight for e in examples)


@pytest.mark.parametrize("path", ["packed", "padded", "logits"])
@pytest.mark.parametrize("micro_tokens", [10_000, 60, 1])
def test_the_dpo_step_is_autograds_on_every_path_and_under_any_split(path, micro_tokens):
    module, reference = plain.tiny_llama(0), plain.tiny_llama(1)
    examples = [e._replace(weight=w) for e, w in zip(plain.pairs(7), [1, 2, 1, 0.5, 1, 1, 3])]
    objective = partial(load_objective("dpo"), beta=0.3, label_smoothing=0.1, sft=0.2)
    got = fused(module, reference, examples, objective, micro_tokens=micro_tokens, path=path)
    check(got, autograd(module, plain_dpo(module, reference, examples, beta=0.3, eps=0.1, sft=0.2)))


@pytest.mark.parametrize("average", ["per_token", "per_sequence"])
def test_the_sft_step_is_autograds(average):
    module = plain.tiny_llama()
    examples = plain.documents(5) + plain.pairs(3)
    answers = [plain.logps(module, e.prompt, c) for e in examples for c in e.completions]
    below = sum(map(len, answers)) if average == "per_token" else len(answers)
    want = autograd(module, -torch.cat(answers).sum() / below)
    check(fused(module, None, examples, load_objective("sft"), average=average, micro_tokens=50), want)


@pytest.mark.parametrize("temperature", [1.0, 2.0])
@pytest.mark.parametrize("path", ["packed", "logits"])
def test_the_kl_anchor_step_is_autograds(temperature, path):
    module, reference = plain.tiny_llama(0), plain.tiny_llama(1)
    examples = plain.documents(4)
    parts = []
    for e in examples:
        with torch.no_grad():
            old = (plain.logits(reference, e.prompt, e.completions[0]) / temperature).log_softmax(1)
        new = (plain.logits(module, e.prompt, e.completions[0]) / temperature).log_softmax(1)
        parts.append(temperature**2 * F.kl_div(new, old, reduction="none", log_target=True).sum(1))
    want = autograd(module, torch.cat(parts).mean())
    objective = partial(load_objective("kl_anchor"), temperature=temperature)
    check(fused(module, reference, examples, objective, micro_tokens=40, path=path), want)


def softmax_over_the_group(policy: Group) -> Losses:
    """-log of the first completion's share among its prompt's completions: couples a group."""
    totals = policy.answers.total
    groups = [totals[policy.group_B == g] for g in policy.group_B.unique()]
    return torch.stack([torch.logsumexp(t, 0) - t[0] for t in groups])


def softmax_over_the_batch(policy: Batch) -> Losses:
    """-log of each prompt's first completion's share among all completions of the batch."""
    totals, first = policy.answers.total, []
    for g in policy.group_B.unique():
        first.append(totals[policy.group_B == g][0])
    return torch.logsumexp(totals, 0) - torch.stack(first)


@pytest.mark.parametrize("micro_tokens", [10_000, 30])
@pytest.mark.parametrize("objective", [softmax_over_the_group, softmax_over_the_batch])
def test_objectives_over_groups_and_whole_batches_are_autograds(objective, micro_tokens):
    module = plain.tiny_llama()
    examples = [*plain.pairs(2), Example((5, 6), ((7, 8), (9,), (10, 11, 12)))]
    totals = [[plain.logps(module, e.prompt, c).sum() for c in e.completions] for e in examples]
    rivals = torch.stack([t for group in totals for t in group])
    losses = [
        torch.logsumexp(torch.stack(g) if objective is softmax_over_the_group else rivals, 0) - g[0]
        for g in totals
    ]
    want = autograd(module, torch.stack(losses).mean())
    check(fused(module, None, examples, objective, micro_tokens=micro_tokens), want)


@pytest.mark.parametrize(
    "objective", ["sft", "dpo", "kl_anchor", softmax_over_the_group, softmax_over_the_batch]
)
def test_a_tasks_weight_scales_its_gradient_and_not_its_loss(objective):
    module, examples, found = plain.tiny_llama(0), plain.pairs(3), load_objective(objective)
    reference = plain.tiny_llama(1)
    loss, whole = fused(module, reference, examples, found)
    quarter = fused(module, reference, examples, found, weight=0.25)
    check(quarter, (loss, {name: g / 4 for name, g in whole.items()}))


@pytest.mark.parametrize("average", ["per_sequence", "per_token"])
@pytest.mark.parametrize("objective", ["sft", "dpo", "kl_anchor", softmax_over_the_group])
def test_an_example_of_twice_the_weight_counts_as_two(objective, average):
    module, examples, found = plain.tiny_llama(0), plain.pairs(3), load_objective(objective)
    reference = plain.tiny_llama(1)
    twice = fused(module, reference, [examples[0], *examples], found, average=average)
    heavy = [examples[0]._replace(weight=2.0), *examples[1:]]
    check(fused(module, reference, heavy, found, average=average), twice)


@pytest.mark.parametrize("sizes", [[7, 4, 1], [12]])
def test_micro_batching_changes_memory_not_the_step(sizes, monkeypatch):
    module, reference, examples = plain.tiny_llama(0), plain.tiny_llama(1), plain.pairs(12)
    ends = [sum(sizes[: i + 1]) for i in range(len(sizes))]
    cuts = [slice(a, b) for a, b in zip([0, *ends], ends)]
    monkeypatch.setattr("truenorth.learn.gradient.even_batches", lambda examples, limit: cuts)
    for objective in ("dpo", "kl_anchor", "sft"):
        got = fused(module, None if objective == "sft" else reference, examples, load_objective(objective))
        with monkeypatch.context() as whole:
            whole.setattr("truenorth.learn.gradient.even_batches", lambda examples, limit: [slice(0, 12)])
            check(got, fused(module, reference, examples, load_objective(objective)))


def test_blocks_of_the_head_change_memory_not_the_step(monkeypatch):
    module, reference, examples = plain.tiny_llama(0), plain.tiny_llama(1), plain.pairs(6)
    want = fused(module, reference, examples, load_objective("dpo"))
    monkeypatch.setattr("truenorth.models.head.BLOCK", plain.VOCABULARY * 20)
    check(fused(module, reference, examples, load_objective("dpo")), want)


def test_the_gradient_is_the_slope_of_the_loss():
    module, reference, examples = plain.tiny_llama(0), plain.tiny_llama(1), plain.pairs(3)
    _, gradient = fused(module, reference, examples, load_objective("dpo"))
    for name, _ in module.named_parameters():
        size = gradient[name].norm()
        seen = []
        for h in (1e-3, -1e-3):  # along the gradient, where the slope is its norm
            moved = copy.deepcopy(module)
            moved.get_parameter(name).data.add_(gradient[name] / size, alpha=h)
            with torch.no_grad():
                seen.append(float(plain_dpo(moved, reference, examples)))
        assert (seen[0] - seen[1]) / 2e-3 == pytest.approx(float(size), rel=5e-3, abs=1e-4), name


@pytest.mark.parametrize("objective", ["sft", "dpo", "kl_anchor"])
def test_half_precision_products_leave_the_gradient_where_it_was(objective):
    """bfloat16 keeps 8 bits: the gradient turns by little, whatever the objective."""
    module, examples = plain.tiny_llama(0), plain.pairs(6)
    reference = module if objective == "dpo" else plain.tiny_llama(1)
    want = fused(module, reference, examples, load_objective(objective))
    got = fused(module, reference, examples, load_objective(objective), compute=torch.bfloat16)
    assert float(got[0]) == pytest.approx(float(want[0]), rel=0.02)
    flat = [torch.cat([g.flatten() for g in grads.values()]) for _, grads in (got, want)]
    assert float(F.cosine_similarity(*flat, dim=0)) > 0.99
    assert {g.dtype for g in got[1].values()} == {torch.float32}


def test_the_head_is_found_with_its_bias():
    head = head_of(plain.tiny_llama())
    assert head.weight_VD.shape == (plain.VOCABULARY, 32)
    assert head.bias_V is None
