"""The head with every habit at a time, against pencil and autograd."""

from __future__ import annotations

import math

import pytest
import torch

from truenorth.models.head import Head, backward, blocks, target_logps


def test_logits_are_scaled_then_capped():
    head = Head(torch.tensor([[1.0], [3.0]]), torch.tensor([0.0, 1.0]), scale=0.5, softcap=2.0)
    # of 2: 2 and 7, halved 1 and 3.5, capped 2 tanh(1 / 2) and 2 tanh(3.5 / 2)
    want = [2 * math.tanh(0.5), 2 * math.tanh(1.75)]
    assert head.logits(torch.tensor([[2.0]]))[0].tolist() == pytest.approx(want)
    assert Head(None).logits(torch.tensor([[2.0]])).tolist() == [[2.0]]


def test_blocks_hold_whole_groups_and_one_at_least(monkeypatch):
    monkeypatch.setattr("truenorth.models.head.BLOCK", 50)
    # rows of 10 logits: five fit
    assert list(blocks([2, 3, 1, 7, 1], 10)) == [
        (slice(0, 2), slice(0, 5)),
        (slice(2, 3), slice(5, 6)),
        (slice(3, 4), slice(6, 13)),
        (slice(4, 5), slice(13, 14)),
    ]
    assert list(blocks([], 10)) == []


@pytest.mark.parametrize("softcap", [None, 1.5])
@pytest.mark.parametrize("scale", [1.0, 0.25])
@pytest.mark.parametrize("biased", [True, False])
@pytest.mark.parametrize("block", [1, 20, 1 << 22])
def test_the_gradient_is_autograds_with_bias_scale_and_cap(softcap, scale, biased, block, monkeypatch):
    monkeypatch.setattr("truenorth.models.head.BLOCK", block)
    draw = torch.Generator().manual_seed(0)

    def made(*shape):
        return torch.randn(*shape, generator=draw).requires_grad_()

    weight_VD, bias_V, rows_TD = made(7, 3), made(7) if biased else None, made(6, 3)
    target_T, share_T = torch.tensor([0, 6, 3, 3, 1, 5]), torch.linspace(-1, 2, 6)
    head = Head(weight_VD, bias_V, scale, softcap)
    every = [t for t in (rows_TD, weight_VD, bias_V) if t is not None]
    want_T = head.logits(rows_TD).log_softmax(1).gather(1, target_T[:, None])[:, 0]
    want = torch.autograd.grad((want_T * share_T).sum(), every)

    lengths = [1, 2, 3]

    def coefficients(groups, logp_t):
        first = sum(lengths[: groups.start])
        assert len(logp_t) == sum(lengths[groups])
        return share_T[first : first + len(logp_t)]

    logp_T, grad_TD = backward(head, rows_TD.detach(), target_T, lengths, coefficients)
    got = [grad_TD, *(t.grad for t in every[1:])]
    torch.testing.assert_close(logp_T, want_T.detach())
    torch.testing.assert_close(target_logps(head, rows_TD, target_T), want_T.detach())
    for ours, theirs in zip(got, want, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-4)
