"""Columns reach an objective in the shape of its coupling, exactly under any split, or are refused in words."""

from __future__ import annotations

import math
from functools import partial

import learn_plain as plain
import numpy as np
import pytest
import torch
from torch import Tensor

from truenorth.base import UserError
from truenorth.learn import Example, Task, fit
from truenorth.learn.columns import cells, tensors
from truenorth.learn.coupling import needs
from truenorth.learn.gradient import task_gradient
from truenorth.learn.ready import describe
from truenorth.learn.reference import compute_reference
from truenorth.learn.types import Batch, Distribution, Group, Logps, Losses, Pair, TokenLosses
from truenorth.learn.work import Work
from truenorth.models.forward import Forward


def step(module, examples, objective, *, reference=None, micro_tokens=10_000, weight=1.0):
    need = needs(objective)
    indices, forward = list(range(len(examples))), Forward(module, "packed")
    known = None
    if need.reference:
        known = compute_reference(Forward(reference, "packed"), examples, indices, need, fixed_head=True)
    module.zero_grad()
    part = task_gradient(
        forward,
        Work("t", objective, need, need.average, weight, known),
        examples,
        indices,
        micro_tokens,
    )
    return part.loss, plain.gradients(module)


def autograd(module, loss):
    module.zero_grad()
    loss.backward()
    return loss.detach(), plain.gradients(module)


def same(got, want):
    torch.testing.assert_close(got[0], want[0], atol=1e-5, rtol=1e-5)
    for name in want[1]:
        torch.testing.assert_close(got[1][name], want[1][name], atol=3e-5, rtol=2e-4)


def with_columns(examples, **columns):
    return [e._replace(columns={k: v[i] for k, v in columns.items()}) for i, e in enumerate(examples)]


def total(module, example, which):
    return plain.logps(module, example.prompt, example.completions[which]).sum()


# --- every coupling, against autograd over the model's own logits ---------------------------------------------


def weighted_answers(policy: Logps, quality: Tensor) -> Losses:
    """(B,) each answer's nats, times its quality."""
    return -policy.total * quality


def weighted_tokens(policy: Logps, importance: Tensor) -> TokenLosses:
    """(B,) each token's nats, times its importance."""
    return -(policy.token_BT * importance).sum(1)


def hinge_by_margin(policy: Pair, margin: Tensor) -> Losses:
    """(B,) how far the gap is below the margin."""
    return torch.relu(margin - (policy.chosen.total - policy.rejected.total))


def paired_scores(policy: Pair, scores: Tensor) -> Losses:
    """(B,) chosen's nats times its score and rejected's times its own."""
    return -(policy.chosen.total * scores[:, 0] + policy.rejected.total * scores[:, 1])


def softmax_to_scores(policy: Group, scores: Tensor) -> Losses:
    """(G,) cross-entropy from each prompt's softmax of scores to that of its answers' totals."""
    losses = []
    for g in policy.group_B.unique():
        at = policy.group_B == g
        losses.append(-(scores[at].softmax(0) * policy.answers.total[at].log_softmax(0)).sum())
    return torch.stack(losses)


def whole_batch(policy: Batch, baseline: Tensor) -> Losses:
    """(G,) log of the batch's sum of exp, less each example's baseline times its first answer."""
    totals = policy.answers.total
    first = torch.stack([totals[policy.group_B == g][0] for g in policy.group_B.unique()])
    return torch.logsumexp(totals, 0) - baseline * first


def weighted_surprise(policy: Distribution, importance: Tensor) -> TokenLosses:
    """(T,) each token's negative entropy, times its importance."""
    return (policy.logp_TV.exp() * policy.logp_TV).sum(1) * importance


@pytest.mark.parametrize("micro_tokens", [10_000, 30, 1])
def test_a_number_per_example_or_per_completion_reaches_each_answer(micro_tokens):
    module = plain.tiny_llama()
    examples = plain.pairs(4)
    for quality in ([0.5, -1.0, 2.0, 0.0], [[0.5, 1.0], [-1.0, 3.0], [2.0, 0.1], [0.0, 1.0]]):
        rows = with_columns(examples, quality=quality)
        each = [[q, q] if isinstance(q, float) else q for q in quality]
        losses = [-total(module, e, k) * each[i][k] for i, e in enumerate(examples) for k in (0, 1)]
        want = autograd(module, torch.stack(losses).mean())
        same(step(module, rows, weighted_answers, micro_tokens=micro_tokens), want)


@pytest.mark.parametrize("micro_tokens", [10_000, 30])
def test_a_number_per_token_stands_beside_its_token(micro_tokens):
    module, examples = plain.tiny_llama(), plain.pairs(4)
    draw = torch.Generator().manual_seed(3)
    importance = [[torch.rand(len(c), generator=draw).tolist() for c in e.completions] for e in examples]
    losses = [
        -(plain.logps(module, e.prompt, c) * torch.tensor(w)).sum()
        for e, ws in zip(examples, importance)
        for c, w in zip(e.completions, ws)
    ]
    tokens = sum(len(c) for e in examples for c in e.completions)
    want = autograd(module, torch.stack(losses).sum() / tokens)
    rows = with_columns(examples, importance=importance)
    same(step(module, rows, weighted_tokens, micro_tokens=micro_tokens), want)


@pytest.mark.parametrize("micro_tokens", [10_000, 30])
def test_pairs_have_a_number_each_or_one_for_each_side(micro_tokens):
    module, examples = plain.tiny_llama(), plain.pairs(4)
    margins = [1.0, 20.0, 0.0, 50.0]
    gaps = [total(module, e, 0) - total(module, e, 1) for e in examples]
    want = autograd(module, torch.stack([torch.relu(m - g) for m, g in zip(margins, gaps)]).mean())
    rows = with_columns(examples, margin=margins)
    same(step(module, rows, hinge_by_margin, micro_tokens=micro_tokens), want)
    scores = [[1.0, 0.5], [2.0, 0.0], [0.3, 0.2], [1.0, -1.0]]
    losses = [-(total(module, e, 0) * s[0] + total(module, e, 1) * s[1]) for e, s in zip(examples, scores)]
    want = autograd(module, torch.stack(losses).mean())
    rows = with_columns(examples, scores=scores)
    same(step(module, rows, paired_scores, micro_tokens=micro_tokens), want)


@pytest.mark.parametrize("micro_tokens", [10_000, 30])
def test_groups_of_several_sizes_keep_each_completions_number(micro_tokens):
    module = plain.tiny_llama()
    examples = [*plain.pairs(2), Example((5, 6), ((7, 8), (9,), (10, 11, 12)))]
    scores = [[1.0, 0.0], [0.5, 2.0], [3.0, 1.0, 2.0]]
    totals = [torch.stack([total(module, e, k) for k in range(len(e.completions))]) for e in examples]
    losses = [-(torch.tensor(s).softmax(0) * t.log_softmax(0)).sum() for s, t in zip(scores, totals)]
    want = autograd(module, torch.stack(losses).mean())
    same(
        step(module, with_columns(examples, scores=scores), softmax_to_scores, micro_tokens=micro_tokens),
        want,
    )


@pytest.mark.parametrize("micro_tokens", [10_000, 30])
def test_the_whole_batch_has_its_columns_at_once(micro_tokens):
    module, examples, baseline = plain.tiny_llama(), plain.pairs(4), [1.0, 0.0, -2.0, 0.5]
    totals = [torch.stack([total(module, e, k) for k in (0, 1)]) for e in examples]
    rivals = torch.logsumexp(torch.cat(totals), 0)
    want = autograd(module, torch.stack([rivals - b * t[0] for b, t in zip(baseline, totals)]).mean())
    same(
        step(module, with_columns(examples, baseline=baseline), whole_batch, micro_tokens=micro_tokens), want
    )


@pytest.mark.parametrize("kind", ["example", "token"])
def test_distributions_have_a_number_for_each_token(kind):
    module, examples = plain.tiny_llama(), plain.documents(3)
    draw = torch.Generator().manual_seed(3)
    tokens = [torch.rand(len(e.completions[0]), generator=draw).tolist() for e in examples]
    importance = [2.0, 0.5, 1.0] if kind == "example" else [[t] for t in tokens]
    parts = []
    for i, e in enumerate(examples):
        logp = plain.logits(module, e.prompt, e.completions[0]).log_softmax(1)
        weight = torch.tensor(tokens[i]) if kind == "token" else importance[i]
        parts.append((logp.exp() * logp).sum(1) * weight)
    want = autograd(module, torch.cat(parts).mean())
    same(
        step(module, with_columns(examples, importance=importance), weighted_surprise, micro_tokens=20), want
    )


def with_divergence(policy: Pair, reference: Pair, kl: Pair) -> Losses:
    """(B,) the log-ratio margin, less the gap of the summed divergences (as in TDPO)."""
    margin = (policy.chosen.total - reference.chosen.total) - (
        policy.rejected.total - reference.rejected.total
    )
    return -torch.nn.functional.logsigmoid(0.1 * (margin - (kl.rejected.total - kl.chosen.total)))


@pytest.mark.parametrize("softcap", [None, 3.0])
@pytest.mark.parametrize("micro_tokens", [10_000, 30])
def test_the_divergence_at_each_token_is_autograds(micro_tokens, softcap, monkeypatch):
    module, reference, examples = plain.tiny_llama(0), plain.tiny_llama(1), plain.pairs(4)
    if softcap:
        monkeypatch.setattr(module.config, "final_logit_softcapping", softcap, raising=False)

    def cap(x):
        return softcap * torch.tanh(x / softcap) if softcap else x

    losses = []
    for e in examples:
        found = []
        for c in e.completions:
            new = cap(plain.logits(module, e.prompt, c)).log_softmax(1)
            with torch.no_grad():
                old = plain.logits(reference, e.prompt, c).log_softmax(1)
            picked = torch.tensor(c)[:, None]
            ratio = (new.gather(1, picked) - old.gather(1, picked)).sum()
            found.append((ratio, (old.exp() * (old - new)).sum()))
        (w, kl_w), (r, kl_r) = found
        losses.append(-torch.nn.functional.logsigmoid(0.1 * (w - r - (kl_r - kl_w))))
    want = autograd(module, torch.stack(losses).mean())
    same(step(module, examples, with_divergence, reference=reference, micro_tokens=micro_tokens), want)


# --- declaring and refusing -----------------------------------------------------------------------------------


def optional_margin(policy: Pair, margin: Tensor | None = None, *, scale: float = 1.0) -> Losses:
    """(B,) the gap, less a margin where the data has one."""
    gap = policy.rejected.total - policy.chosen.total
    return scale * (gap if margin is None else gap + margin)


def test_parameters_with_a_default_are_columns_that_data_may_lack():
    need = needs(optional_margin)
    assert (need.columns, need.optional, need.settings) == (("margin",), ("margin",), {"scale": 1.0})
    module, examples = plain.tiny_llama(), plain.pairs(2)
    without, _ = step(module, examples, optional_margin)
    having, _ = step(module, with_columns(examples, margin=[1.0, 2.0]), optional_margin)
    assert float(having - without) == pytest.approx(1.5, rel=1e-4)
    fixed = partial(optional_margin, margin=3.0)  # bound, it is a setting
    assert needs(fixed).columns == ()


def train(examples, objective, **settings):
    policy = plain.policy_of(plain.tiny_llama())
    return fit(policy, [Task("t", examples, objective)], steps=1, lr=0.0, **settings)


@pytest.mark.parametrize(
    ("columns", "objective", "message"),
    [
        ([{"margin": 1.0}, {}, {"other": 2}], hinge_by_margin, r"rows \[1, 2\] of 3 have no column 'margin'.*"
         r"these have margin, other"),
        ([{}, {"margin": 1.0}, {}], optional_margin, r"rows \[0, 2\] of 3 have no column 'margin'"),
        ([{"margin": 1.0}, {"margin": [1.0, 2.0]}, {"margin": 0}], hinge_by_margin,
         r"rows \[1\] of 3 have another kind of column 'margin' \(first example\)"),
        ([{"margin": "big"}] * 3, hinge_by_margin, r"rows \[0, 1, 2\] of 3 have another kind .*numbers"),
        ([{"scores": [1.0, 2.0]}, {"scores": [1.0]}, {"scores": [1.0, 2.0, 3.0]}], paired_scores,
         r"rows \[1, 2\] of 3 have a column 'scores' of another length"),
        ([{"importance": [[1.0], [1.0]]}] * 3, weighted_tokens, r"of another length.*number for each token"),
    ],
)  # fmt: skip
def test_columns_that_do_not_fit_are_refused_before_the_first_step(columns, objective, message):
    examples = [Example((1, 2), ((3, 4), (5,)), columns=c) for c in columns]
    with pytest.raises(UserError, match=message):
        train(examples, objective)


def test_columns_are_part_of_what_a_checkpoint_remembers():
    examples = plain.pairs(2)

    def told(values, objective=hinge_by_margin):
        return describe(Task("t", with_columns(examples, margin=values), objective))[-1]

    assert told([1.0, 2.0]) == told([1.0, 2.0])
    assert told([1.0, 2.0]) != told([1.0, 2.5])
    assert told([1, np.float64(2.0)]) == told([1.0, torch.tensor(2.0)])
    long = [[np.zeros(2000).tolist()] for _ in range(2)]
    assert told([np.array(x) for x in long]) != told([np.array(x) + (np.arange(2000) == 1000) for x in long])
    assert told([1.0, 2.0], "dpo") == told([1.0, 2.5], "dpo")  # dpo does not read it


def test_numbers_of_numpy_and_torch_are_numbers_and_none_is_not_judged():
    need = needs(weighted_answers)
    examples = [Example((1,), ((2,), (3,)), columns={"quality": v}) for v in (np.float32(2), [True, 0])]
    got = tensors("answer", cells(need, examples), slice(None), torch.device("cpu"))
    assert got["quality"].tolist() == [2.0, 2.0, 1.0, 0.0]
    example = Example((1,), ((2, 3),), columns={"importance": [[None, 1]]})
    got = tensors("answer", cells(needs(weighted_tokens), [example]), slice(None), torch.device("cpu"))
    assert math.isnan(got["importance"][0, 0])
    assert float(got["importance"][0, 1]) == 1.0


def test_an_objective_that_contradicts_itself_is_refused():
    def kl_alone(policy: Pair, kl: Pair) -> Losses:
        return kl.chosen.total

    def kl_of_batches(policy: Batch, reference: Batch, kl: Batch) -> Losses:
        return kl.answers.total

    for objective in (kl_alone, kl_of_batches):
        with pytest.raises(UserError, match="asks for kl"):
            needs(objective)
