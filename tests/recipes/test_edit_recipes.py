"""What edits are told of a model: scores beside plain torch, restoring in steps, a mask that is learned."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from truenorth.base import UserError
from truenorth.cli.main import main
from truenorth.edit.methods.regmean import regmean
from truenorth.edit.safety.actsvd import actsvd
from truenorth.learn import Example, penalties
from truenorth.models.local import LocalModel
from truenorth.recipes.edit_contrast import contrast
from truenorth.recipes.edit_inputs import encoded, layers
from truenorth.recipes.edit_mask import learn_mask
from truenorth.recipes.edit_restore import move, restore_in_steps
from truenorth.recipes.edit_statistics import (
    Data,
    direction,
    effect_size,
    fisher,
    gradient,
    gram,
    gram_in_parts,
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


def test_gram_matrices_in_parts_are_those_of_one_pass(model):
    whole = gram(model, Data(ROWS))
    parts = list(gram_in_parts(model, Data(ROWS), budget=1))
    assert len(parts) == len(whole) == len(layers(model))
    for part in parts:
        for name, own in part.items():
            torch.testing.assert_close(own, whole[name])


def test_gram_matrices_of_prompts_alone_see_all_their_tokens(model):
    ids = model.encode_prompt(ROWS[0]["prompt"])
    embedded = model.module.model.embed_tokens(torch.tensor(ids))
    x = model.module.model.layers[0].input_layernorm(embedded).detach()
    torch.testing.assert_close(gram(model, Data([{"prompt": ROWS[0]["prompt"]}]))[QUERY], x.T @ x / len(x))


def test_fisher_is_the_expected_square_over_the_models_own_tokens(model):
    """One place only: the expectation of the squared slope over the first answer token, drawn 150 times."""
    row = {"prompt": ROWS[0]["prompt"], "completion": "x"}
    ((prompt, _),) = encoded(model, [row], completions=True)
    weight = model.module.get_parameter("model.norm.weight")
    logp_V = model.module(input_ids=torch.tensor([prompt])).logits[0, -1].log_softmax(-1)
    want = torch.zeros_like(weight)
    for v in range(len(logp_V)):
        (slope,) = torch.autograd.grad(logp_V[v], weight, retain_graph=True)
        want += logp_V[v].exp().detach() * slope**2
    examples = [Example(prompt, ((0,),))] * 150
    found = penalties.fisher(model, examples, scaled=False)["model.norm.weight"]
    assert torch.corrcoef(torch.stack([found, want]))[0, 1] > 0.9
    assert float(found.sum() / want.sum()) == pytest.approx(1, rel=0.3)
    assert set(fisher(model, Data(ROWS))) == {n for n, _ in model.module.named_parameters()}


def test_the_command_writes_what_merges_read(tmp_path: Path, tiny_llama):
    folders = [tiny_llama(template="none", seed=seed) for seed in (1, 2)]
    rows = tmp_path / "rows.jsonl"
    rows.write_text("\n".join(json.dumps(row) for row in [*ROWS, {"prompt": "Nets and boats."}]))
    for kind, method in (("fisher", "fisher"), ("gram", "regmean")):
        lines = [f"merge_method: {method}", "models:"]
        for i, folder in enumerate(folders):
            out = tmp_path / f"{kind}{i}.safetensors"
            words = ["statistics", kind, str(rows), "--model", str(folder), "--out", str(out)]
            assert main([*words, "--budget", "10KB"]) == 0
            assert main(words) == 2  # it is there already
            lines += [f"  - model: {folder}", f"    {kind}: {out}"]
        config = tmp_path / f"{method}.yaml"
        config.write_text("\n".join(lines))
        assert main(["merge", str(config), str(tmp_path / method), "-q"]) == 0
        merged = load_file(tmp_path / method / "model.safetensors")
        (one, two), mean = [load_file(f / "model.safetensors") for f in folders], merged[QUERY]
        assert not torch.allclose(mean, (one[QUERY] + two[QUERY]) / 2, atol=1e-4)  # it is weighed


@pytest.mark.parametrize("transposed", [False, True])
def test_actsvd_of_a_gpt2_is_that_of_its_transposes(transposed: bool, tiny_llama, tmp_path: Path):
    """GPT-2 keeps (in, out): its own Gram matrices, and the edit's result beside numpy on the transposes."""
    model = LocalModel.load(tiny_llama(architecture="gpt2", template="none", seed=3))
    name = "transformer.h.0.mlp.c_fc.weight"
    grams = gram(model, Data(ROWS))[name].numpy().astype(np.float64)
    weight = model.module.get_parameter(name).detach().numpy()
    assert grams.shape == (weight.shape[0],) * 2
    given = [weight if transposed else weight.T.copy()], [grams], [np.eye(len(grams))]
    made = actsvd(*given, safety_share=0.1, utility_share=0.25, transposed=transposed)
    made = made.T if transposed else made
    out_in, share = weight.T.astype(np.float64), min(weight.shape)
    sizes, vectors = np.linalg.eigh(grams)
    root = vectors * np.sqrt(np.clip(sizes, 0, None))  # W X has the left vectors of W times it
    used = np.linalg.svd(out_in @ root)[0][:, : round(0.1 * share)]
    kept = np.linalg.svd(out_in)[0][:, : round(0.25 * share)]
    part = used @ used.T @ out_in
    np.testing.assert_allclose(made, out_in - (part - kept @ kept.T @ part), atol=1e-4)
    if transposed:
        with pytest.raises(UserError, match="transposed"):
            actsvd(*given)


def test_regmean_of_transposed_matrices_is_that_of_the_transposes():
    rng = np.random.default_rng(0)
    tensors = [rng.standard_normal((5, 3)) for _ in range(2)]
    grams = [x.T @ x for x in rng.standard_normal((2, 40, 5))]
    plain = regmean([t.T for t in tensors], grams)
    np.testing.assert_allclose(regmean(tensors, grams, transposed=True), plain.T, atol=1e-12)
    with pytest.raises(UserError, match="transposed"):
        regmean(tensors, grams)


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
    assert {name.split(".")[-2] for name in found} == {"down_proj", "gate_proj", "up_proj"}
    assert torch.equal(found[DOWN], found[DOWN.replace("down", "up")])
    assert int(found[DOWN].argmax()) == 7
    with pytest.raises(UserError, match="to compare with"):
        neurons(model, Data(ROWS))


def test_neurons_of_two_models_differ_where_one_of_them_was_changed(model, aligned):
    """Against itself 0; with row 7 of layer 1's gate turned round, neuron 7 ranks first and lower layers are silent."""
    assert max(float(score.max()) for score in contrast(model, Data(ROWS), model).values()) == 0.0
    other = LocalModel.of(copy.deepcopy(model.module), model.tokenizer, name="other")
    with torch.no_grad():
        other.module.model.layers[1].mlp.gate_proj.weight[7] *= -1.0
    found = contrast(model, Data(ROWS), other)
    assert int(found[DOWN].argmax()) == 7
    assert float(found[DOWN].topk(2).values[1]) == 0.0
    assert float(found[DOWN.replace("layers.1", "layers.0")].max()) == 0.0
    with pytest.raises(UserError, match="needs the aligned model"):
        contrast(model, Data(ROWS))


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
