"""What stands in for norms and rotations gives what transformers' own modules give, with gradients."""

from __future__ import annotations

import pytest
import torch
import transformers as tf
from torch import nn

from truenorth.models import fused as small
from truenorth.models.fused import fused, open_fused
from truenorth.models.opening import open_forward

TINY = {
    "vocab_size": 97,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "initializer_range": 0.2,
}
SPECIAL = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
HEADS_OF_8 = SPECIAL | {"head_dim": 8}
# what is found in each: norms, rotations
MODELS = {
    "llama": (tf.LlamaConfig, {}, {"norm", "rotation"}),
    "qwen2": (tf.Qwen2Config, {}, {"norm", "rotation"}),
    "qwen3": (tf.Qwen3Config, {"head_dim": 8}, {"norm", "rotation"}),
    "mistral": (tf.MistralConfig, {"sliding_window": None}, {"norm", "rotation"}),
    "gemma": (tf.GemmaConfig, HEADS_OF_8, {"norm", "rotation"}),
    "gemma2": (tf.Gemma2Config, HEADS_OF_8, {"norm", "rotation"}),
    "olmo2": (tf.Olmo2Config, SPECIAL, {"norm", "rotation"}),
    "phi": (tf.PhiConfig, {"num_key_value_heads": 4}, {"rotation"}),
    "phi3": (tf.Phi3Config, SPECIAL, {"norm", "rotation"}),
    "gpt-neox": (tf.GPTNeoXConfig, {}, {"rotation"}),
    "cohere, which pairs neighbours": (tf.CohereConfig, SPECIAL, set()),
}


def build(name: str):
    kind, settings, _ = MODELS[name]
    torch.manual_seed(0)
    module = tf.AutoModelForCausalLM.from_config(kind(**(TINY | settings))).eval()
    with torch.no_grad():
        for p in module.parameters():  # norms begin at 0 or 1 and would hide mistakes
            if p.ndim == 1:
                p.add_(torch.randn_like(p) * 0.3)
    return module


def kind_of(part: nn.Module) -> str:
    name = type(part).__name__
    return "norm" if "Norm" in name else "rotation"


@pytest.mark.parametrize("name", MODELS)
def test_a_models_gradients_are_its_own(name):
    module = build(name)
    parts = open_fused(module)
    assert {kind_of(p.module) for p in parts} == MODELS[name][2]
    ids = torch.randint(3, 97, (2, 9), generator=torch.Generator().manual_seed(1))
    told = []
    for some in ((), parts):
        module.zero_grad()
        with fused(some):
            logits = module(input_ids=ids, use_cache=False).logits
        (logits.log_softmax(-1) ** 2).sum().backward()
        told.append([logits.detach(), *(p.grad for p in module.parameters() if p.grad is not None)])
    for plain, ours in zip(*told, strict=True):
        torch.testing.assert_close(ours, plain, rtol=1e-4, atol=1e-4 * float(plain.abs().max()))


@pytest.mark.parametrize("offset", [0.0, 1.0])
def test_the_norm_has_the_gradient_of_its_formula(offset):
    x, weight = (torch.randn(*size, dtype=torch.float64, requires_grad=True) for size in ((2, 3, 5), (5,)))
    assert torch.autograd.gradcheck(lambda x, w: small._RmsNorm.apply(x, w, 1e-3, offset), (x, weight))


def test_the_norm_takes_axes_in_any_order():
    x, weight = (
        torch.randn(2, 3, 4, 5, dtype=torch.float64, requires_grad=True),
        torch.ones(5, dtype=torch.float64),
    )
    push = torch.randn(2, 4, 3, 5, dtype=torch.float64)
    made = small._RmsNorm.apply(x.transpose(1, 2), weight, 1e-3, 0.0)
    mine = torch.autograd.grad(made, x, push)
    plain = torch.nn.functional.rms_norm(x.transpose(1, 2), (5,), weight, 1e-3)
    torch.testing.assert_close(made, plain)
    torch.testing.assert_close(mine, torch.autograd.grad(plain, x, push))
    swapped = small._RmsNorm.apply(x, weight, 1e-3, 0.0).transpose(1, 2)
    torch.testing.assert_close(torch.autograd.grad(swapped, x, push), mine)


def test_the_rotation_has_the_gradient_of_its_formula():
    x = torch.randn(2, 3, 6, dtype=torch.float64, requires_grad=True)
    cos, sin = torch.randn(2, 3, 6, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: small._Rotate.apply(x, cos, sin), (x,))


def test_a_worked_norm_and_rotation():
    x = torch.tensor([[3.0, 4.0]])  # mean of squares 12.5
    made = small._RmsNorm.apply(x, torch.tensor([1.0, 2.0]), 0.0, 0.0)
    torch.testing.assert_close(made, torch.tensor([[3.0, 8.0]]) / 12.5**0.5)
    quarter = torch.zeros(2), torch.ones(2)  # cosine and sine of a quarter turn
    torch.testing.assert_close(
        small._Rotate.apply(torch.tensor([3.0, 4.0]), *quarter), torch.tensor([-4.0, 3.0])
    )


def test_a_norm_that_is_another_stays_as_it_is():
    class OddRMSNorm(nn.Module):
        """Divides by the largest value."""

        def __init__(self):
            super().__init__()
            self.weight, self.eps = nn.Parameter(torch.ones(4)), 1e-6

        def forward(self, x):
            return self.weight * x / x.abs().amax(-1, keepdim=True)

    assert open_fused(OddRMSNorm()) == ()
    assert len(open_fused(tf.models.llama.modeling_llama.LlamaRMSNorm(4))) == 1


def test_a_part_whose_forward_was_replaced_keeps_the_replacement():
    norm = tf.models.llama.modeling_llama.LlamaRMSNorm(4)
    norm.forward = lambda x: x
    assert open_fused(norm) == ()


def test_afterwards_the_model_is_as_before_even_after_an_error():
    module = build("llama")
    parts = open_fused(module)

    def stopped():
        with fused(parts):
            assert all("forward" in vars(p.module) for p in parts)
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        stopped()
    assert not any("forward" in vars(part) for part in module.modules())


def test_only_float32_on_a_processor_gets_them():
    assert open_forward(build("llama")).parts
    assert not open_forward(build("llama").to(torch.bfloat16)).parts
    assert not open_forward(build("llama"), prefer="padded").parts


def test_frozen_weights_get_no_gradient():
    norm = tf.models.llama.modeling_llama.LlamaRMSNorm(4).requires_grad_(False)
    [part] = open_fused(norm)
    x = torch.randn(3, 4, requires_grad=True)
    with fused([part]):
        norm(x).sum().backward()
    assert x.grad is not None
    assert norm.weight.grad is None
