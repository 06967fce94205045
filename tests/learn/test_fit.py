"""The loop: order and rate are functions of the step, a kill costs nothing, bad input is refused in words."""

from __future__ import annotations

import copy
import math
import multiprocessing
import signal
import time
from functools import partial

import learn_plain as plain
import pytest
import torch

from truenorth.base import UserError
from truenorth.learn import Example, Lora, Task, fit
from truenorth.learn import reference as reference_module
from truenorth.learn.coupling import load_objective
from truenorth.learn.order import batch_at, even_batches, micro_batches, rate_at
from truenorth.learn.types import Logps, TokenLosses


def train(module, tasks, **settings):
    return fit(plain.policy_of(module), tasks, **({"steps": 6, "lr": 0.01} | settings))


def weights(module):
    return {name: p.detach().clone() for name, p in module.named_parameters()}


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def all_three():
    return [
        Task("documents", plain.documents(11), "sft", batch=4),
        Task("pairs", plain.pairs(9), partial(load_objective("dpo"), beta=0.2), batch=4),
        Task("anchor", plain.documents(5, seed=3), "kl_anchor", weight=0.5, batch=2),
    ]


def test_each_epoch_sees_every_example_once_in_an_order_of_its_own():
    order = [i for step in range(8) for i in batch_at(step, size=3, examples=12, seed=5, name="t")]
    assert sorted(order[:12]) == sorted(order[12:]) == list(range(12))
    assert order[:12] != order[12:]
    assert order[:12] != [
        i for step in range(4) for i in batch_at(step, size=3, examples=12, seed=6, name="t")
    ]


def test_a_batch_is_never_larger_than_the_data():
    assert sorted(batch_at(3, size=64, examples=5, seed=0, name="t")) == [0, 1, 2, 3, 4]


def test_micro_batches_keep_the_order_and_the_limit():
    """Rows of 2 + (3 - 1) = 4 tokens: two fit 9; one of 12 tokens stands alone."""
    examples = [Example((1, 2), ((1, 2, 3),))] * 3
    examples += [Example((1, 2), ((1,) * 11,)), Example((1,), ((1,),))]
    assert list(micro_batches(examples, 9)) == [slice(0, 2), slice(2, 3), slice(3, 4), slice(4, 5)]


def test_even_batches_are_as_few_and_their_longest_as_short_as_can_be():
    """Rows of 4, 4, 4, 4, 4 and 2 tokens at 20: greedy 20 + 2; even 12 + 10. One row above the limit stands alone."""
    rows = [Example((1, 2), ((1, 2, 3),))] * 5 + [Example((1,), ((1, 2),))]
    assert even_batches(rows, 20) == [slice(0, 3), slice(3, 6)]
    assert even_batches(rows, 22) == [slice(0, 6)]
    assert even_batches(rows, 3) == [slice(i, i + 1) for i in range(6)]
    assert even_batches([], 3) == []


@pytest.mark.parametrize(
    ("schedule", "want"),
    [
        ("constant", [1 / 3, 2 / 3, 1, 1, 1, 1]),
        ("linear", [1 / 3, 2 / 3, 1, 3 / 4, 2 / 4, 1 / 4]),
        ("cosine", [1 / 3, 2 / 3, 1, (1 + math.sqrt(0.5)) / 2, 0.5, (1 - math.sqrt(0.5)) / 2]),
    ],
)
def test_the_rate_warms_up_and_follows_its_schedule(schedule, want):
    """Six steps, two of warm-up: 1/3, 2/3, then from the peak towards zero in quarters (cos 45, 90, 135)."""
    at = partial(rate_at, steps=6, lr=1.0, schedule=schedule, warmup=2)
    assert [at(s) for s in range(6)] == pytest.approx(want)


def test_the_first_step_is_the_one_pencil_gives():
    """AdamW's first step is lr * sign(gradient) (bias-corrected moments cancel), whatever the loss."""
    module = plain.tiny_llama()
    before = weights(module)
    train(module, [Task("t", plain.documents(4), "sft")], steps=1, lr=0.01, warmup=0, clip=1e9)
    moved = [(before[k] - p).abs() for k, p in weights(module).items()]
    assert max(float(m.max()) for m in moved) == pytest.approx(0.01, rel=1e-3)


def test_three_tasks_are_learned_together_and_reported():
    module, seen = plain.tiny_llama(), []
    result = train(module, all_three(), steps=30, on_step=seen.append)
    assert [s["step"] for s in seen] == list(range(1, 31))
    assert seen[0]["loss"] == pytest.approx(seen[0]["documents/loss"] + math.log(2), rel=1e-5)
    assert seen[0]["pairs/rewards/margins"] == pytest.approx(0, abs=1e-5)
    assert seen[0]["anchor/kl"] == pytest.approx(0, abs=1e-5)
    assert seen[-1]["documents/loss"] < seen[0]["documents/loss"]
    assert seen[-1]["pairs/rewards/accuracies"] == 1.0
    assert result.last == seen[-1]
    assert all(p.grad is None for p in module.parameters())


def test_rewards_are_beta_times_the_log_ratio():
    module, reference, seen = plain.tiny_llama(0), plain.tiny_llama(1), []
    example = plain.pairs(1)[0]
    with torch.no_grad():
        ratio = [
            float((plain.logps(module, example.prompt, c) - plain.logps(reference, example.prompt, c)).sum())
            for c in example.completions
        ]
    task = Task("p", [example], partial(load_objective("dpo"), beta=0.25))
    train(module, [task], steps=1, reference=plain.policy_of(reference), on_step=seen.append)
    assert seen[0]["p/rewards/chosen"] == pytest.approx(0.25 * ratio[0], rel=1e-4)
    assert seen[0]["p/rewards/rejected"] == pytest.approx(0.25 * ratio[1], rel=1e-4)
    assert seen[0]["p/rewards/margins"] == pytest.approx(0.25 * (ratio[0] - ratio[1]), rel=1e-4)


def test_the_same_seed_gives_the_same_weights_and_another_seed_others():
    runs = []
    for seed in (0, 0, 1):
        module = plain.tiny_llama()
        train(module, all_three(), seed=seed)
        runs.append(weights(module))
    assert same(runs[0], runs[1])
    assert not same(runs[0], runs[2])


def test_the_reference_is_computed_once_per_example(monkeypatch):
    asked = []
    plain_logps = reference_module.completion_logps
    monkeypatch.setattr(
        reference_module, "completion_logps", lambda f, e: (asked.extend(e), plain_logps(f, e))[1]
    )
    examples = plain.pairs(10)
    train(plain.tiny_llama(), [Task("p", examples, "dpo", batch=2)], steps=20)
    assert sorted(asked) == sorted(examples)
    asked.clear()
    train(plain.tiny_llama(), [Task("p", examples, "dpo", batch=2)], steps=2)
    assert len(asked) == 4  # two steps of two: the other six are never asked for
    asked.clear()
    train(plain.tiny_llama(), [Task("p", examples, "sft", batch=2)], steps=2)
    assert not asked  # reference-free: no reference


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_stopping_anywhere_and_resuming_is_bit_for_bit_the_same(tmp_path, optimizer):
    same_way = {"steps": 7, "optimizer": optimizer, "every": 2}
    straight = plain.tiny_llama()
    train(straight, all_three(), **same_way)

    class Stop(Exception):
        pass

    def stop_at(step):
        def check(seen):
            if seen["step"] == step:
                raise Stop

        return check

    for step in (1, 3, 6):
        folder = tmp_path / str(step)
        with pytest.raises(Stop):
            train(plain.tiny_llama(), all_three(), checkpoint=folder, on_step=stop_at(step), **same_way)
        resumed = plain.tiny_llama()
        train(resumed, all_three(), checkpoint=folder, **same_way)
        assert same(weights(resumed), weights(straight)), step


def life(folder, out, steps_done):
    """One life of a fit that is killed from outside, in a process of its own."""
    torch.set_num_threads(1)
    module = plain.tiny_llama()
    tell = partial(steps_done.put, True)
    train(module, all_three(), steps=40, checkpoint=folder, every=3, on_step=lambda _: tell())
    torch.save(module.state_dict(), out)


def test_a_fit_killed_again_and_again_ends_in_the_same_weights(tmp_path):
    straight = plain.tiny_llama()
    train(straight, all_three(), steps=40)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["truenorth.learn", "transformers.models.llama.modeling_llama"])
    out, deaths = tmp_path / "out.pt", []
    for pause_s in (0.0, 0.02, 0.05, None):  # after the first step of this life; the last ends by itself
        steps_done = context.SimpleQueue()
        process = context.Process(target=life, args=(tmp_path / "c", out, steps_done))
        process.start()
        if pause_s is not None:
            steps_done.get()
            time.sleep(pause_s)
            process.kill()
        process.join()
        deaths.append(process.exitcode)
    assert deaths == [-signal.SIGKILL] * 3 + [0]
    ended = torch.load(out, weights_only=True)
    assert all(torch.equal(ended[k], v) for k, v in straight.state_dict().items())


def test_a_checkpoint_of_another_fit_is_refused(tmp_path):
    train(plain.tiny_llama(), all_three(), checkpoint=tmp_path)
    for change in ({"lr": 0.02}, {"seed": 1}, {"steps": 9}, {"optimizer": "muon"}):
        with pytest.raises(UserError, match="other examples, settings"):
            train(plain.tiny_llama(), all_three(), checkpoint=tmp_path, **change)
    with pytest.raises(UserError, match="starting weights"):
        train(plain.tiny_llama(1), all_three(), checkpoint=tmp_path)


def test_a_checkpoint_is_of_one_reference(tmp_path):
    one, other = (plain.policy_of(plain.tiny_llama(seed)) for seed in (1, 2))
    train(plain.tiny_llama(), all_three(), checkpoint=tmp_path, reference=one)
    assert (
        train(plain.tiny_llama(), all_three(), checkpoint=tmp_path, reference=one).last == {}
    )  # done already
    with pytest.raises(UserError, match="other examples, settings"):
        train(plain.tiny_llama(), all_three(), checkpoint=tmp_path, reference=other)


def test_a_truncated_checkpoint_is_one_clear_message(tmp_path):
    train(plain.tiny_llama(), all_three(), checkpoint=tmp_path)
    file = tmp_path / "fit.pt"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(UserError, match="cannot read this checkpoint"):
        train(plain.tiny_llama(), all_three(), checkpoint=tmp_path)


def nan_above_token_90(policy: Logps) -> TokenLosses:
    """NaN for answers of more than 20 tokens, the usual loss for others."""
    return torch.where(policy.length > 20, torch.nan, 1.0) * -policy.total


def test_a_step_that_is_not_finite_is_skipped_and_counted():
    good = [Example((1,), ((4, 5, 6),))] * 30
    bad = [Example((1,), (tuple(range(25)),))]
    module, seen = plain.tiny_llama(), []
    before = {}

    def look(found):
        seen.append(found)
        before[found["step"]] = weights(module)

    result = train(module, [Task("t", good + bad, nan_above_token_90, batch=1)], steps=31, on_step=look)
    assert result.skipped == 1
    at = next(s["step"] for s in seen if s["skipped"])
    assert math.isnan(seen[at - 1]["loss"])
    assert at == 1 or same(before[at], before[at - 1])
    assert all(torch.isfinite(p).all() for p in module.parameters())


def test_too_many_steps_that_are_not_finite_end_the_fit():
    bad = [Example((1,), (tuple(range(25)),))]
    with pytest.raises(UserError, match="6 of 6 steps had a loss or gradient that is not finite"):
        train(plain.tiny_llama(), [Task("t", bad, nan_above_token_90)], steps=20)


def pair(prompt=(1,), chosen=(2,), rejected=(3,)):
    return Example(prompt, (chosen, rejected))


@pytest.mark.parametrize(
    ("examples", "objective", "message"),
    [
        ([], "sft", "no examples"),
        ([pair(), pair(prompt=())], "dpo", r"rows \[1\] of 2 have an empty prompt.*BOS"),
        ([pair(rejected=()), pair()], "dpo", r"rows \[0\] of 2 have no completion tokens"),
        ([pair(), Example((1,), ((2,),))], "dpo", r"rows \[1\] of 2 are not pairs"),
        ([pair(chosen=(5,) * 256)], "dpo", r"rows \[0\] of 1 are longer than the model's context of 256"),
        ([pair()], "dop", "unknown name 'dop'.*did you mean dpo"),
        ([pair()], lambda policy: policy, "does not declare what it needs"),
    ],
)
def test_what_cannot_be_learned_from_is_refused_before_the_first_step(examples, objective, message):
    with pytest.raises(UserError, match=message):
        train(plain.tiny_llama(), [Task("t", examples, objective)])


def test_two_tasks_of_one_name_are_refused():
    with pytest.raises(UserError, match="share a name"):
        train(plain.tiny_llama(), [Task("t", plain.pairs(2), "dpo")] * 2)


def test_lora_trains_adapters_only_and_its_reference_is_the_model_without_them(tmp_path):
    module = plain.tiny_llama()
    base, plain_model = weights(module), copy.deepcopy(module)
    seen = []
    tasks = [
        Task("p", plain.pairs(8), "dpo", batch=8),
        Task("a", plain.documents(3), "kl_anchor", weight=0.1),
    ]
    result = train(module, tasks, steps=15, lr=0.02, lora=Lora(rank=4), on_step=seen.append)
    assert seen[0]["p/loss"] == pytest.approx(math.log(2), rel=1e-5)
    assert seen[-1]["p/rewards/margins"] > 0.1
    trained = {name for name, p in result.adapter.named_parameters() if p.requires_grad}
    assert trained
    assert all("lora_" in name for name in trained)
    for name, p in result.adapter.get_base_model().named_parameters():
        if "lora_" not in name:
            assert torch.equal(p, base[name.replace(".base_layer", "")]), name
    example = plain.pairs(8)[0]
    with torch.no_grad(), result.adapter.disable_adapter():
        off = plain.logps(module, example.prompt, example.completions[0])
    with torch.no_grad():
        on = plain.logps(module, example.prompt, example.completions[0])
        want = plain.logps(plain_model, example.prompt, example.completions[0])
    torch.testing.assert_close(off, want)
    assert (on - want).abs().max() > 0.01  # the module the caller holds has the adapters in place


def test_lora_resumes_bit_for_bit(tmp_path):
    ended = []
    for resume in (False, True):
        folder = tmp_path / str(resume)
        if resume:
            with pytest.raises(ZeroDivisionError):
                train(
                    plain.tiny_llama(),
                    all_three(),
                    lora=Lora(rank=2),
                    checkpoint=folder,
                    every=2,
                    on_step=lambda s: 1 / (s["step"] - 3),
                )
        module = plain.tiny_llama()
        train(module, all_three(), lora=Lora(rank=2), checkpoint=folder, every=2)
        ended.append(weights(module))
    assert same(*ended)


def test_a_merged_adapter_answers_as_the_adapter_did_and_leaves_a_plain_model():
    module = plain.tiny_llama()
    shape = set(module.state_dict())
    result = train(module, [Task("p", plain.pairs(8), "dpo")], lora=Lora(rank=4))
    example = plain.pairs(8)[0]
    with torch.no_grad():
        before = plain.logps(module, example.prompt, example.completions[0])
        result.merge()
        after = plain.logps(module, example.prompt, example.completions[0])
    torch.testing.assert_close(after, before, atol=1e-4, rtol=1e-4)
    assert set(module.state_dict()) == shape


def test_a_policy_with_nothing_to_train_is_refused():
    module = plain.tiny_llama().requires_grad_(False)
    with pytest.raises(UserError, match="all weights of the policy are frozen"):
        train(module, all_three())


def test_half_precision_weights_are_trained_in_float32_on_a_cpu():
    module = plain.tiny_llama().to(torch.bfloat16)
    train(module, all_three(), steps=2)
    assert {p.dtype for p in module.parameters()} == {torch.float32}
