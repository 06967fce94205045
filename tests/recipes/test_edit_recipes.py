"""What edits are told of a model: scores beside plain torch, restoring in steps, a mask that is learned."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from truenorth.base import UserError
from truenorth.learn import Example
from truenorth.models.local import LocalModel
from truenorth.recipes.edit_mask import learn_mask
from truenorth.recipes.edit_restore import move, restore_in_steps
from truenorth.recipes.edit_statistics import (
    Data,
    direction,
    effect_size,
    encoded,
    gradient,
    gram,
    layers,
    neurons,
    slope_towards,
    snip,
    wanda,
)

ROWS = [
    {"prompt": "Who sells fish? ", "completion": "Anna sells fish."},
    {"prompt": "How many sails? ", "completion": "I do not know, and I will not guess."},
]
QUERY = "model.layers.0.self_attn.q_proj.weight"
DOWN = "model.layers.1.mlp.down_proj.weight"


@pytest.fixture
def model(tiny_llama) -> LocalModel:
    return LocalModel.load(tiny_llama(template="none", seed=1))


@pytest.fixture
def aligned(tiny_llama) -> LocalModel:
    return LocalModel.load(tiny_llama(template="none", seed=2))


def test_snip_is_the_mean_of_what_transformers_own_loss_gives(model):
    wanted = torch.zeros_like(layers(model)[QUERY])
    for prompt, completion in encoded(model, ROWS, completions=True):
        ids = torch.tensor([prompt + completion])
        labels = torch.tensor([[-100] * len(prompt) + completion])
        model.module.zero_grad()
        model.module(input_ids=ids, labels=labels).loss.backward()
        weight = model.module.get_parameter(QUERY)
        wanted += (weight * weight.grad).abs().detach() / len(ROWS)
    torch.testing.assert_close(snip(model, Data(ROWS))[QUERY], wanted, atol=1e-7, rtol=1e-4)


def inputs_of_the_first_query(model: LocalModel) -> torch.Tensor:
    """(T, D) what layer 0's attention reads at each token that predicts one of the answer."""
    rows = []
    for prompt, completion in encoded(model, ROWS, completions=True):
        embedded = model.module.model.embed_tokens(torch.tensor(prompt + completion))
        rows.append(model.module.model.layers[0].input_layernorm(embedded)[len(prompt) - 1 : -1])
    return torch.cat(rows).detach()


def test_wanda_and_gram_see_the_inputs_at_the_answers_tokens_alone(model):
    x = inputs_of_the_first_query(model)
    weight = model.module.get_parameter(QUERY).detach()
    length = torch.stack([torch.sqrt(sum(v * v for v in column)) for column in x.T])
    torch.testing.assert_close(wanda(model, Data(ROWS))[QUERY], weight.abs() * length)
    torch.testing.assert_close(gram(model, Data(ROWS))[QUERY], x.T @ x / len(x))


def test_an_effect_size_by_pencil():
    """Means 2 and 5, variances 1 and 1, so d = 3; equal values that never move have none."""
    first, second = torch.tensor([[1.0, 7], [2, 7], [3, 7]]), torch.tensor([[4.0, 7], [5, 7], [6, 7]])
    assert effect_size(first, second).tolist() == [3.0, 0.0]
    with pytest.raises(UserError, match="two at least"):
        effect_size(first[:1], second)


def test_a_planted_neuron_ranks_first(model):
    """Neuron 7 of layer 1 is made to say 5 at the first two prompts and 1 at the others; the rest is small noise."""
    output = model.module.model.layers[1].mlp.down_proj
    seen: list[torch.Tensor] = []
    output.register_forward_pre_hook(lambda _, args: (plant(args[0], seen),))
    groups = [[{"prompt": p} for p in texts] for texts in (("fish and nets", "nets and fish"), ("a", "b"))]
    found = neurons(model, Data(*groups))
    assert {name.split(".")[-2] for name in found} == {"down_proj"}
    assert int(found[DOWN].argmax()) == 7
    with pytest.raises(UserError, match="to compare with"):
        neurons(model, Data(ROWS))


def plant(out: torch.Tensor, seen: list[torch.Tensor]) -> torch.Tensor:
    seen.append(out)
    planted = torch.rand(out.shape, generator=torch.Generator().manual_seed(len(seen))) * 1e-3
    planted[..., 7] += 5.0 if len(seen) <= 2 else 1.0
    return planted


def test_the_gradient_towards_itself_is_zero_and_else_a_finite_difference(model, aligned):
    own = gradient(model, Data(ROWS), model)
    assert max(g.abs().max() for g in own.values()) < 1e-5
    prompts = [ids for ids, _ in encoded(model, ROWS, completions=False)]
    wanted = direction(aligned, prompts)
    slope = slope_towards(model, prompts, wanted)[QUERY]
    weight = model.module.get_parameter(QUERY)

    def loss() -> float:
        with torch.no_grad():
            now = direction(model, prompts).double()
            return -float(torch.nn.functional.cosine_similarity(now, wanted.double(), dim=0))

    at = divmod(int(slope.abs().argmax()), slope.shape[1])
    values = []
    for step in (1e-2, -1e-2):
        with torch.no_grad():
            weight[at] += step
        values.append(loss())
        with torch.no_grad():
            weight[at] -= step
    assert float(slope[at]) == pytest.approx((values[0] - values[1]) / 2e-2, rel=0.05)
    assert not slope_towards(model, prompts, wanted)[DOWN].any()  # above the layer that is looked at


def prompts_of(model: LocalModel) -> list[list[int]]:
    return [ids for ids, _ in encoded(model, ROWS, completions=False)]


def test_every_restored_entry_is_the_aligned_models_and_every_other_the_tasks(model, aligned):
    before = {name: p.detach().clone() for name, p in model.module.named_parameters()}
    other = dict(aligned.module.named_parameters())
    done = restore_in_steps(model, aligned, prompts_of(model), prompts_of(model), rate=0.05, steps=3)
    total = sum(p.numel() for p in layers(model).values())
    assert all(step.restored <= -(-total // 20) for step in done)
    changed = 0
    for name, p in model.module.named_parameters():
        same, taken = p == before[name], p == other[name]
        assert (same | taken).all(), name
        changed += int((~same).sum())
    assert changed == sum(step.restored for step in done)
    assert torch.equal(model.module.get_parameter("model.norm.weight"), before["model.norm.weight"])


def test_restoring_nothing_changes_nothing(model, aligned):
    before = copy.deepcopy(model.module.state_dict())
    done = restore_in_steps(model, aligned, prompts_of(model), prompts_of(model), rate=0, steps=2)
    assert [step.restored for step in done] == [0, 0]
    assert all(torch.equal(before[name], own) for name, own in model.module.state_dict().items())


def test_a_task_that_falls_is_rolled_back_once_and_later_steps_give_back(model, aligned):
    task = {name: p.detach().clone() for name, p in layers(model).items()}
    scores = iter([1.0, 0.97, 0.5, 0.9, 0.2])
    seen = []

    def look(step):
        unchanged = all(torch.equal(task[name], p) for name, p in layers(model).items())
        seen.append((step.returned, unchanged))

    how = {"rate": 0.05, "steps": 4, "warmup": 1, "give_back": 0.5, "on_step": look}
    benign = [[5, 6, 7], [9, 8]]
    restore_in_steps(model, aligned, prompts_of(model), benign, score=lambda _: next(scores), **how)
    assert [unchanged for _, unchanged in seen] == [False, True, False, False]
    assert [returned > 0 for returned, _ in seen] == [False, False, True, True]


def test_moving_takes_the_steepest_entries_that_lead_there():
    """w - target = 1, 1, -1, 1 and slopes 3, -9, -2, 1: the second leads away; of 3, 2, 1 the two steepest move."""
    own = {"w": torch.tensor([1.0, 1, -1, 1])}
    where = move(own, {"w": torch.zeros(4)}, {"w": torch.tensor([3.0, -9, -2, 1])}, 2)
    assert own["w"].tolist() == [0, 1, 0, 1]
    assert where["w"].tolist() == [True, False, True, False]


def test_a_learned_mask_moves_and_the_aligned_model_comes_back(model, aligned, tmp_path: Path):
    before = copy.deepcopy(aligned.module.state_dict())
    pairs = [
        Example(p, (c, model.encode_prompt("Anna sells it there.")))
        for p, c in encoded(model, ROWS, completions=True)
    ]
    losses = []
    out = learn_mask(
        model, aligned, pairs, tmp_path / "mask.safetensors", steps=25, lr=0.3, beta=1.0,
        on_step=lambda numbers: losses.append(numbers["loss"]),
    )  # fmt: skip
    assert sum(losses[-5:]) < sum(losses[:5])
    after = aligned.module.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(before[name], after[name]) for name in before)
    found = load_file(out)
    assert set(found) == set(layers(model))
    assert all(p.requires_grad for p in aligned.module.parameters())
    assert any(z.abs().max() > 0.1 for z in found.values())


def test_rows_without_an_answer_are_refused(model):
    with pytest.raises(UserError, match="row 1: no completion"):
        snip(model, Data([{"prompt": "Who?"}]))
    with pytest.raises(UserError, match="needs it"):
        gradient(model, Data(ROWS))
