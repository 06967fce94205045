"""The packed, prefix-sharing forward pass is right for the common architectures, with gradients.

Every model is compared with itself: one sequence at a time, its own attention, its own head. Shapes are
chosen to go wrong: grouped heads, soft caps, head bias, scaled logits, and sequences several windows long.
"""

from __future__ import annotations

import copy
import random
from functools import partial

import learn_plain as plain
import pytest
import torch
import torch.nn.functional as F
import transformers as tf

from truenorth.learn import Example, token_logps
from truenorth.learn.coupling import load_objective, needs
from truenorth.learn.gradient import task_gradient
from truenorth.learn.reference import compute_reference
from truenorth.learn.work import Work
from truenorth.models.encoding import Pair
from truenorth.models.forward import Forward
from truenorth.models.last_layer import last_layer
from truenorth.models.opening import disagreement, open_forward
from truenorth.models.packed import lay_out, packed_attention
from truenorth.models.prefixes import shared_scores

COMMON = {
    "vocab_size": plain.VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "initializer_range": 0.2,
}
GPT2 = {"vocab_size": plain.VOCABULARY, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 128}
HEADS_OF_8 = {"head_dim": 8}
ONE_HEAD_GROUP = {"num_key_value_heads": 4}
WINDOW = {"sliding_window": 6}
SPECIAL = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}

MODELS = {
    "llama": (tf.LlamaConfig, {}),
    "llama, tied": (tf.LlamaConfig, {"tie_word_embeddings": True}),
    "llama, all biases": (tf.LlamaConfig, {"attention_bias": True, "mlp_bias": True}),
    "qwen2": (tf.Qwen2Config, {}),
    "qwen2, window": (
        tf.Qwen2Config,
        WINDOW | {"use_sliding_window": True, "layer_types": ["full_attention", "sliding_attention"]},
    ),
    "qwen3": (tf.Qwen3Config, HEADS_OF_8),
    "mistral": (tf.MistralConfig, {"sliding_window": None}),
    "mistral, window": (tf.MistralConfig, WINDOW),
    "gpt2": (tf.GPT2Config, GPT2 | {"initializer_range": 0.2}),
    "gpt-neox": (tf.GPTNeoXConfig, {}),
    "gemma": (tf.GemmaConfig, HEADS_OF_8 | SPECIAL),
    "gemma2, caps and window": (
        tf.Gemma2Config,
        HEADS_OF_8
        | SPECIAL
        | WINDOW
        | {"attn_logit_softcapping": 2.0, "final_logit_softcapping": 3.0, "query_pre_attn_scalar": 5},
    ),
    "gemma3, window": (tf.Gemma3TextConfig, HEADS_OF_8 | SPECIAL | WINDOW | {"sliding_window_pattern": 2}),
    "phi, head bias": (tf.PhiConfig, ONE_HEAD_GROUP),
    "phi3": (tf.Phi3Config, SPECIAL),
    "granite, scaled logits": (
        tf.GraniteConfig,
        {
            "logits_scaling": 3.0,
            "embedding_multiplier": 2.0,
            "residual_multiplier": 0.5,
        },
    ),
    "olmo2": (tf.Olmo2Config, SPECIAL),
    "cohere, scaled logits": (tf.CohereConfig, SPECIAL | {"logit_scale": 0.5}),
    "smollm3": (tf.SmolLM3Config, SPECIAL),
}


WHOLE = ("gpt2",)  # the last layer is computed whole: its modules are named otherwise


def build(name: str):
    kind, settings = MODELS[name]
    settings = settings if kind is tf.GPT2Config else COMMON | settings
    torch.manual_seed(0)
    module = tf.AutoModelForCausalLM.from_config(kind(**settings)).eval()
    with torch.no_grad():
        for key, p in module.named_parameters():  # biases and norms begin at 0 and 1 and would hide mistakes
            if p.ndim == 1:
                p.add_(torch.randn_like(p) * 0.3)
            assert not key.startswith("vision")
    return module


EXAMPLES = [
    Example((3, 1, 4), ((1, 5, 9, 2), (6,))),
    Example(tuple(range(10, 24)), (tuple(range(30, 50)), tuple(range(50, 53)), tuple(range(7)))),
    Example((1,), (tuple(range(60, 75)),)),
]


@pytest.mark.parametrize("name", MODELS)
def test_packed_log_probs_are_the_models_own(name):
    module = build(name)
    forward = open_forward(module)
    assert forward.path == "packed"
    for example, ours in zip(EXAMPLES, token_logps(plain.policy_of(module), EXAMPLES)):
        for completion, got in zip(example.completions, ours):
            with torch.no_grad():
                want = plain.logps(module, example.prompt, completion)
            torch.testing.assert_close(torch.from_numpy(got), want, atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_a_last_layer_that_is_computed_only_where_it_is_read_is_the_models_own(name):
    """Verdicts: a few tokens are read of many. The layer's MLP sees those alone, where it is named as Llama's is."""
    model = build(name)
    forward = open_forward(model)
    chance = random.Random(1)
    trunk = [chance.randrange(5, 70) for _ in range(12)]
    prompts = [[*trunk, *(chance.randrange(5, 70) for _ in range(k))] for k in (5, 6, 7)]
    pairs = [Pair(prompt, [7]) for prompt in prompts]
    seen = []
    if forward.trims:
        inner = next(last_layer(forward.body).mlp.children())
        inner.register_forward_pre_hook(lambda _, args: seen.append(args[0].shape[1]))
    found = shared_scores(forward, pairs)
    with torch.no_grad():
        for prompt, [ours] in zip(prompts, found, strict=True):
            logits = model(input_ids=torch.tensor([prompt]), use_cache=False).logits[0, -1].float()
            assert ours == pytest.approx(float(logits[7] - logits.logsumexp(0)), abs=1e-4)
    assert seen[:1] == ([3] if forward.trims else [])
    assert forward.trims == (name not in WHOLE)


@pytest.mark.parametrize("name", MODELS)
def test_packed_gradients_are_the_models_own(name):
    module, reference = build(name), copy.deepcopy(build(name))
    with torch.no_grad():
        for p in reference.parameters():
            p.mul_(0.9)
    examples = [e._replace(completions=e.completions[:2]) for e in EXAMPLES[:2]]
    losses = []
    for e in examples:
        chosen, rejected = (plain.logps(module, e.prompt, c).sum() for c in e.completions)
        with torch.no_grad():
            base = [plain.logps(reference, e.prompt, c).sum() for c in e.completions]
        losses.append(-F.logsigmoid(0.1 * ((chosen - rejected) - (base[0] - base[1]))))
    torch.stack(losses).mean().backward()
    want = plain.gradients(module)
    module.zero_grad()
    objective = partial(load_objective("dpo"), beta=0.1)
    need = needs(objective)
    known = compute_reference(Forward(reference, "packed"), examples, [0, 1], need, fixed_head=True)
    work = Work("t", objective, need, need.average, 1.0, known)
    part = task_gradient(open_forward(module), work, examples, [0, 1], 10_000)
    torch.testing.assert_close(part.loss, torch.stack(losses).mean().detach(), atol=1e-5, rtol=1e-5)
    got = plain.gradients(module)
    for key, gradient in want.items():
        torch.testing.assert_close(got[key], gradient, atol=5e-5, rtol=2e-4, msg=lambda m, k=key: f"{k}: {m}")


def test_a_step_computes_the_last_layer_only_where_it_is_read():
    """Where nearly all tokens are read, it is computed whole: picking them out would cost more than it saves."""
    module = build("llama")
    forward, seen = open_forward(module), []
    module.model.layers[-1].mlp.down_proj.register_forward_pre_hook(lambda _, x: seen.append(x[0].shape[1]))
    for prompt in (range(10), range(1)):
        example = Example(tuple(prompt), (tuple(range(20, 30)), tuple(range(30, 40))))
        forward.rows([example], forward.lay_out([example]))
    # of the prompt the last token is read, by both answers; of each answer of 10 all but its last
    assert seen == [1 + 9 + 9, 1 + 9 + 9]
    assert forward.lay_out([example]).read_U is None


def test_the_window_is_really_used():
    """A window that hides nothing gives other numbers than one that hides most of these sequences."""
    narrow, wide = build("mistral, window"), build("mistral")
    wide.load_state_dict(narrow.state_dict())
    ours = [token_logps(plain.policy_of(m), EXAMPLES)[1][0] for m in (narrow, wide)]
    assert abs(ours[0] - ours[1]).max() > 0.01


def test_a_model_that_packing_gets_wrong_takes_the_plain_path():
    """Bloom's ALiBi biases are built from a mask over the row, so packed positions come out wrong."""
    torch.manual_seed(0)
    config = tf.BloomConfig(
        vocab_size=plain.VOCABULARY, hidden_size=32, n_layer=2, n_head=4, initializer_range=0.3
    )
    module = tf.AutoModelForCausalLM.from_config(config).eval()
    assert open_forward(module).path == "padded"
    got = token_logps(plain.policy_of(module), EXAMPLES)
    with torch.no_grad():
        want = plain.logps(module, EXAMPLES[1].prompt, EXAMPLES[1].completions[0])
    torch.testing.assert_close(torch.from_numpy(got[1][0]), want, atol=2e-5, rtol=1e-5)


def test_a_head_nobody_described_is_read_through_the_models_own_logits():
    module = build("llama")
    module.lm_head.register_forward_hook(lambda layer, arguments, out: torch.sin(out))
    forward = open_forward(module)
    assert forward.path == "logits"
    assert disagreement(forward) < 1e-4


def test_attention_is_given_back_after_the_packed_pass_even_when_it_fails():
    module = build("gpt2")
    before = module.config._attn_implementation
    with pytest.raises(ZeroDivisionError), packed_attention(module):
        raise ZeroDivisionError
    assert module.config._attn_implementation == before


def test_the_row_holds_each_prompt_once_and_no_padding():
    """Prompts of 3, 14, 1; completions of 4, 1 / 20, 3, 7 / 15, whose last tokens predict nothing."""
    layout = lay_out(EXAMPLES)
    assert len(layout.ids_N) == 3 + 14 + 1 + (3 + 0) + (19 + 2 + 6) + 14
    assert layout.lengths == (4, 1, 20, 3, 7, 15)
    assert layout.positions_N[:6].tolist() == [0, 1, 2, 3, 4, 5]
    assert layout.row_T[:5].tolist() == [2, 3, 4, 5, 2]  # both completions begin at the prompt's last token


@pytest.mark.parametrize("side", ["left", "right"])
def test_ids_are_what_counts_not_the_tokenizers_padding_habits(side):
    """BOS and EOS stand in the ids; a tokenizer that pads left or right changes nothing."""
    module = build("llama")
    policy = plain.policy_of(module)
    policy.tokenizer = type("Habits", (), {"padding_side": side, "pad_token_id": 2})()
    example = Example((1, 5), ((6, 2), (2,)))  # EOS (2) ends a completion, and is one
    got = token_logps(policy, [example])
    with torch.no_grad():
        want = plain.logps(module, (1, 5), (6, 2))
    torch.testing.assert_close(torch.from_numpy(got[0][0]), want, atol=1e-5, rtol=1e-5)
