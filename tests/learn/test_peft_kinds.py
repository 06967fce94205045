"""peft's kinds of adapters, each on two architectures: the losses of a plain loop over peft's own model."""

from __future__ import annotations

import copy
from functools import partial

import learn_plain as plain
import pytest
import torch
import torch.nn.functional as F
from peft import PeftModel
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

from truenorth.base import UserError
from truenorth.learn import Example, Lora, Peft, Task, fit, token_logps
from truenorth.learn.lora import wrap
from truenorth.learn.objectives.dpo import dpo
from truenorth.learn.order import batch_at
from truenorth.models import LocalModel
from truenorth.models.opening import open_forward

KINDS = {
    "lora": Peft("lora", {"r": 4, "bias": "lora_only"}),
    "lora on the head too": Peft(
        "lora", {"r": 4, "target_modules": ["lm_head", "embed_out", "o_proj", "dense"]}
    ),
    "dora": Peft("dora", {"r": 4}),
    "rslora": Peft("rslora", {"r": 4, "lora_alpha": 4}),
    "pissa": Peft("pissa", {"r": 4}),
    "olora": Peft("olora", {"r": 4}),
    "ia3": Peft("ia3"),
    "loha": Peft("loha", {"r": 4, "target_modules": "all-linear"}),
    "lokr": Peft("lokr", {"r": 4, "target_modules": "all-linear"}),
    "oft": Peft("oft", {"oft_block_size": 8, "target_modules": "all-linear"}),
    "vera": Peft("vera", {"r": 8, "target_modules": "all-linear"}),
    "hra": Peft("hra", {"r": 4, "target_modules": "all-linear"}),
    "ln_tuning": Peft("ln_tuning", {"target_modules": ["input_layernorm", "post_attention_layernorm"]}),
    "prompt_tuning": Peft("prompt_tuning", {"num_virtual_tokens": 3}),
    "p_tuning": Peft("p_tuning", {"num_virtual_tokens": 3, "encoder_hidden_size": 16}),
    "prefix_tuning": Peft("prefix_tuning", {"num_virtual_tokens": 3}),
}
RATE, BETA = 0.01, 0.3


def neox():
    torch.manual_seed(0)
    config = GPTNeoXConfig(
        vocab_size=plain.VOCABULARY,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=256,
        initializer_range=0.2,
    )
    return GPTNeoXForCausalLM(config).eval()


BASES = {"llama": partial(plain.tiny_llama, tie_word_embeddings=False), "neox": neox}
each = pytest.mark.parametrize("kind", KINDS)
both = pytest.mark.parametrize("base", BASES)


def task() -> Task:
    return Task("p", plain.pairs(4), "dpo", batch=2)


def trained(module, kind: str, **settings):
    policy = plain.policy_of(module)
    how = {"steps": 3, "lr": RATE, "schedule": "constant", "warmup": 0, "clip": 1e9}
    return fit(policy, [task()], lora=KINDS[kind], **(how | settings))


def peft_logps(module, example: Example, which: int):
    """(T,) log-probs as peft's own forward pass has them, one sequence at a time."""
    prompt, completion = example.prompt, example.completions[which]
    ids = torch.tensor([[*prompt, *completion]])
    logits = module(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[:, -ids.shape[1] :]
    logp = logits[0, len(prompt) - 1 : -1].log_softmax(1)
    return logp.gather(1, torch.tensor(completion)[:, None])[:, 0]


def margins(module, examples) -> list:
    return [peft_logps(module, e, 0).sum() - peft_logps(module, e, 1).sum() for e in examples]


def told(module) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in module.named_parameters()}


@each
@both
def test_losses_are_those_of_a_plain_loop_over_pefts_own_model(base, kind):
    """The reference is the base before anything was put on it, and only the adapter learns."""
    module, alone = BASES[base](), copy.deepcopy(BASES[base]()).requires_grad_(False)
    model = wrap(module, KINDS[kind], seed=0)
    learns = {n: p for n, p in model.named_parameters() if p.requires_grad}
    stepper, losses, draw = torch.optim.AdamW(learns.values(), RATE, weight_decay=0), [], task().examples
    for step in range(3):
        examples = [draw[i] for i in batch_at(step, size=2, examples=4, seed=0, name="p")]
        was = margins(alone, examples)
        loss = sum(-F.logsigmoid(BETA * (m - w)) for m, w in zip(margins(model, examples), was)) / 2
        stepper.zero_grad()
        loss.backward()
        stepper.step()
        losses.append(loss.item())
    seen = []
    fresh = BASES[base]()
    before = told(fresh)
    one = Task("p", draw, partial(dpo, beta=BETA), batch=2)
    how = {"steps": 3, "lr": RATE, "schedule": "constant", "warmup": 0, "clip": 1e9}
    result = fit(plain.policy_of(fresh), [one], lora=KINDS[kind], on_step=seen.append, **how)
    assert [s["loss"] for s in seen] == pytest.approx(losses, rel=2e-4, abs=2e-5)
    assert abs(losses[-1] - losses[0]) > 1e-5
    after = told(result.adapter)
    assert set(learns) == {n for n, p in result.adapter.named_parameters() if p.requires_grad}
    for name, p in after.items():
        plain_name = name.replace("base_model.model.", "", 1).replace(".base_layer", "")
        if name not in learns and plain_name in before and kind not in ("pissa", "olora"):
            assert torch.equal(p, before[plain_name]), name


@each
@both
def test_killed_and_resumed_it_ends_with_the_same_bits(base, kind, tmp_path):
    how = {"checkpoint": tmp_path, "every": 1}
    with pytest.raises(ZeroDivisionError):
        trained(BASES[base](), kind, on_step=lambda s: 1 / (s["step"] - 2), **how)
    again, whole = trained(BASES[base](), kind, **how), trained(BASES[base](), kind)
    one, other = told(again.adapter), told(whole.adapter)
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing", "ignore:Setting `save_embedding_layers`")
@pytest.mark.filterwarnings("ignore:Unsupported layer type")
@each
@both
def test_saved_as_pefts_folder_it_loads_back_and_merges_where_it_is_a_change_of_weights(base, kind, tmp_path):
    module = BASES[base]()
    result = trained(module, kind, lr=0.05)
    examples = task().examples
    policy = plain.policy_of(result.adapter)
    here = token_logps(policy, examples)
    with torch.no_grad():
        theirs = [[peft_logps(result.adapter, e, k).numpy() for k in (0, 1)] for e in examples]
    result.adapter.save_pretrained(tmp_path)
    back = PeftModel.from_pretrained(BASES[base](), str(tmp_path))
    there = token_logps(plain.policy_of(back), examples)
    same = {"atol": 2e-4, "rtol": 1e-4}
    for a, b, c in zip(here, theirs, there):
        for k in (0, 1):
            torch.testing.assert_close(torch.tensor(a[k]), torch.tensor(b[k]), **same)
            torch.testing.assert_close(torch.tensor(a[k]), torch.tensor(c[k]), **same)
    if KINDS[kind].virtual:
        with pytest.raises(UserError, match="no change of weights"):
            result.merge()
        with result.adapter.disable_adapter():
            off = token_logps(policy, examples)
        bare = token_logps(plain.policy_of(BASES[base]()), examples)
        for one, other in zip(off, bare):
            for k in (0, 1):
                torch.testing.assert_close(torch.tensor(one[k]), torch.tensor(other[k]), **same)
        return
    holder = plain.policy_of(result.adapter)
    result.policy.module = result.adapter
    result.merge()
    merged = token_logps(plain.policy_of(result.policy.module), examples)
    assert not hasattr(result.policy.module, "peft_config")
    assert holder.module is result.adapter
    for a, m in zip(here, merged):
        for k in (0, 1):
            torch.testing.assert_close(torch.tensor(a[k]), torch.tensor(m[k]), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("kind", ["ia3", "dora", "oft", "vera"])
def test_adapters_within_layers_are_packed_and_virtual_tokens_are_not(kind):
    assert open_forward(wrap(plain.tiny_llama(), KINDS[kind], seed=0)).path == "packed"
    virtual = wrap(plain.tiny_llama(), KINDS["prefix_tuning"], seed=0)
    assert open_forward(virtual).path == "padded"


@pytest.mark.filterwarnings("ignore:Position ids are not supported")
@pytest.mark.parametrize("kind", ["prompt_tuning", "p_tuning", "prefix_tuning"])
def test_a_model_with_virtual_tokens_samples_and_scores_as_peft_generates(kind, tiny_llama, tmp_path):
    folder = tiny_llama()
    model = LocalModel.load(folder)
    room = model.context
    result = fit(model, [task()], steps=3, lr=0.3, lora=KINDS[kind])
    result.adapter.save_pretrained(tmp_path)
    loaded = LocalModel.load(folder, adapter=tmp_path)
    assert room is not None
    assert loaded.context == room - 3
    prompts = ["a small question", "another, longer question that is asked"]
    ours = [group[0] for group in loaded.sample(prompts, 1, max_tokens=8, temperature=0)]
    for prompt, answer in zip(prompts, ours):
        ids = torch.tensor([loaded.encode_prompt(prompt)])
        mask = torch.ones_like(ids)
        more = {"max_new_tokens": len(answer.tokens), "do_sample": False}
        theirs = loaded.module.generate(input_ids=ids, attention_mask=mask, **more)[0, ids.shape[1] :]
        assert theirs.tolist() == list(answer.tokens)
    scored = loaded.logprobs([(p, a.text) for p, a in zip(prompts, ours)])
    plain_of = Example(tuple(loaded.encode_prompt(prompts[0])), (ours[0].tokens,))
    with torch.no_grad():
        want = peft_logps(loaded.module, plain_of, 0)
    assert ours[0].logprob == pytest.approx(want.sum().item(), abs=1e-4)
    assert all(one.total < 0 for one in scored)


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        (("lorra", {}), "did you mean lora"),
        (("adalora", {}), "a loop of its own"),
        (("xlora", {}), "several adapters"),
        (("ia3", {"rank": 3}), "no setting 'rank'"),
        (("lora", {"lora_dropout": 0.1}), "dropout is off"),
        (("lora", {"init_lora_weights": "eva"}), "wants data"),
        (("prompt_tuning", {}), "num_virtual_tokens"),
        (("lora", {"alora_invocation_tokens": [1]}), "not packed"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_a_model_is_there(given, complaint):
    with pytest.raises(UserError, match=complaint):
        Peft(*given)


def test_targets_that_a_model_lacks_are_one_message():
    with pytest.raises(UserError, match="does not fit LlamaForCausalLM"):
        wrap(plain.tiny_llama(), Peft("lora", {"target_modules": ["nothing"]}), seed=0)


def test_lora_said_either_way_is_the_same():
    one = wrap(plain.tiny_llama(), Lora(rank=4, alpha=8), seed=0)
    settings = {"r": 4, "lora_alpha": 8, "target_modules": "all-linear"}
    two = wrap(plain.tiny_llama(), Peft("lora", settings), seed=0)
    assert all(torch.equal(a, b) for a, b in zip(told(one).values(), told(two).values(), strict=True))
