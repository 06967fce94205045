"""References that change: stage by stage, or following the policy; resumable like everything else."""

from __future__ import annotations

import math

import learn_plain as plain
import pytest
import torch

from truenorth.base import UserError
from truenorth.learn import Lora, Task, fit, token_logps
from truenorth.learn.following import Follow
from truenorth.learn.reference_schedule import easy_first, sdpo, tr_dpo

LOG2 = math.log(2)
FAST = {"lr": 3e-3, "schedule": "constant", "warmup": 0}


def losses_of(run):
    """The loss of each step of a fit."""
    seen: list[float] = []
    run(lambda numbers: seen.append(numbers["loss"]))
    return seen


def following(examples, *, every, mix, steps=6, **more):
    policy = plain.policy_of(plain.tiny_llama())
    settings = FAST | {"steps": steps, "every": every, "mix": mix, "batch": len(examples)}
    return losses_of(lambda tell: tr_dpo(policy, examples, **settings, on_step=tell, **more))


def test_after_a_hard_update_the_loss_is_log_two_at_that_instant():
    seen = following(plain.pairs(4), every=3, mix=1.0)
    assert seen[0] == pytest.approx(LOG2)
    assert seen[3] == pytest.approx(LOG2, abs=1e-5)
    assert all(abs(seen[i] - LOG2) > 1e-3 for i in (1, 2, 4, 5))


def test_a_reference_that_takes_nothing_of_the_policy_is_plain_dpo():
    examples, policy = plain.pairs(4), plain.policy_of(plain.tiny_llama())
    task = [Task("tr_dpo", examples, "dpo", batch=4)]
    still = losses_of(lambda tell: fit(policy, task, steps=6, **FAST, on_step=tell))
    assert following(examples, every=2, mix=0.0) == pytest.approx(still, abs=1e-5)


def test_a_soft_update_is_the_mixture_of_the_weights():
    """Step 1 moves the policy to A; before step 2 the reference is 0.4 start + 0.6 A: the loss says so."""
    examples, module = plain.pairs(4), plain.tiny_llama()
    fit(plain.policy_of(module), [Task("tr_dpo", examples, "dpo", batch=4)], steps=1, **FAST)
    mixed, start = plain.tiny_llama(), plain.tiny_llama()
    with torch.no_grad():
        for p, a, b in zip(mixed.parameters(), module.parameters(), start.parameters()):
            p.copy_(0.6 * a + 0.4 * b)
    logps = [token_logps(plain.policy_of(m), examples) for m in (module, mixed)]
    gaps = [[float(c.sum() - r.sum()) for c, r in each] for each in logps]
    want = sum(math.log1p(math.exp(-0.1 * (new - old))) for new, old in zip(*gaps)) / len(examples)
    assert following(examples, every=1, mix=0.6, steps=2)[1] == pytest.approx(want, abs=1e-5)


@pytest.mark.parametrize(("size", "batch", "follow", "saved"), [(6, 3, 3, 2), (9, 4, 2, 1)])
def test_a_following_reference_resumes_where_it_was(tmp_path, size, batch, follow, saved):
    """Also where what it says is computed in other batches than it would be from the step of the resume on."""
    examples = plain.pairs(size)

    def run(folder, stop=None):
        seen = []

        def tell(numbers):
            seen.append(numbers["loss"])
            if stop and len(seen) > stop:
                raise KeyboardInterrupt

        module = plain.tiny_llama()
        task = [Task("t", examples, "dpo", batch=batch)]
        settings = FAST | {"steps": 7, "follow": Follow(follow, 0.5), "checkpoint": folder, "every": saved}
        try:
            fit(plain.policy_of(module), task, **settings, on_step=tell)
        except KeyboardInterrupt:
            return None, seen
        return module, seen

    whole, _ = run(tmp_path / "whole")
    run(tmp_path / "cut", stop=3)  # resumes inside a stretch
    resumed, _ = run(tmp_path / "cut")
    for a, b in zip(whole.parameters(), resumed.parameters()):
        assert torch.equal(a, b)


def test_a_reference_cannot_follow_under_lora():
    with pytest.raises(UserError, match="under LoRA"):
        tr_dpo(plain.policy_of(plain.tiny_llama()), plain.pairs(2), steps=1, lr=1e-4, lora=Lora(rank=2))
    with pytest.raises(UserError, match="cannot be followed"):
        Follow(every=0)


def test_each_stage_starts_at_log_two_and_one_stage_is_plain_dpo():
    examples = plain.pairs(6)
    seen = losses_of(
        lambda tell: sdpo(
            plain.policy_of(plain.tiny_llama()), [examples[:3], examples[3:]], steps=3, on_step=tell, **FAST
        )
    )
    assert [seen[0], seen[3]] == pytest.approx([LOG2, LOG2], abs=1e-5)
    assert seen[2] < LOG2
    one = losses_of(
        lambda tell: sdpo(plain.policy_of(plain.tiny_llama()), [examples], steps=2, on_step=tell, **FAST)
    )
    task = [Task("stage 1", examples, "dpo")]
    plainly = losses_of(
        lambda tell: fit(plain.policy_of(plain.tiny_llama()), task, steps=2, on_step=tell, **FAST)
    )
    assert one == plainly


def test_easy_pairs_are_those_the_model_orders_by_the_widest_margin():
    model, examples = plain.policy_of(plain.tiny_llama()), plain.pairs(5)
    stages = easy_first(model, examples, stages=2)
    gaps = [[c.mean() - r.mean() for c, r in token_logps(model, part)] for part in stages]
    assert [len(part) for part in stages] == [3, 2]
    assert min(gaps[0]) >= max(gaps[1])
    assert sorted(map(repr, [*stages[0], *stages[1]])) == sorted(map(repr, examples))
    with pytest.raises(UserError, match="5 pairs cannot make 6 stages"):
        easy_first(model, examples, stages=6)
