"""Virtual tokens (prefix, prompt and p-tuning) as what they are: the beginning of every sequence's cache.

peft puts them before each batch by itself, in a forward pass of its own. Here the same model is called as any other:
masks and positions are those of the real tokens, logits too, and a cache that comes back may be gone on with.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

PREFIX = "PREFIX_TUNING"  # keys and values of every layer; the others are embeddings of tokens


def unwrapped(module: Any) -> Any:
    """What to call for a peft model: the transformers model inside, its adapters in place; others as they are."""
    if not hasattr(module, "get_base_model"):
        return module
    return Virtual(module) if virtual_tokens(module) else module.get_base_model()


def virtual_tokens(module: Any) -> int:
    """How many virtual tokens a model has before every sequence."""
    config = getattr(module, "active_peft_config", None)
    return int(config.num_virtual_tokens) if config is not None and config.is_prompt_learning else 0


class Virtual:
    """A peft model of virtual tokens, called as a transformers model. All else is the base model's."""

    base_model_prefix = "body"

    def __init__(self, peft: Any):
        self.peft, self.base = peft, peft.get_base_model()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.base, name)

    def __call__(self, input_ids: Tensor, **given: Any) -> Any:
        return self.base(input_ids=input_ids, **self._given(input_ids, given))

    def body(self, input_ids: Tensor, **given: Any) -> Any:
        """The model without its head."""
        run = getattr(self.base, self.base.base_model_prefix)
        return run(input_ids=input_ids, **self._given(input_ids, given))

    def plain(self, input_ids: Tensor) -> Tensor:
        """(B, L, V) logits as peft itself computes them."""
        mask = torch.ones_like(input_ids)
        return self.peft(input_ids=input_ids, attention_mask=mask).logits[:, -input_ids.shape[1] :]

    def _given(self, input_ids: Tensor, given: dict[str, Any]) -> dict[str, Any]:
        """The arguments with the virtual tokens before them."""
        if self.peft._adapters_disabled:
            return given
        count, rows = virtual_tokens(self.peft), len(input_ids)
        found = dict(given)
        if found.get("attention_mask") is not None:
            mask_BT = found["attention_mask"]
            found["attention_mask"] = torch.cat([mask_BT.new_ones(rows, count), mask_BT], 1)
        if found.get("position_ids") is not None:
            found["position_ids"] = found["position_ids"] + count
        if found.get("past_key_values") is None:
            found["past_key_values"] = self._cache(rows)
        return found

    def _cache(self, rows: int) -> Any:
        """The virtual tokens' keys and values for a batch, computed once and repeated."""
        if self.peft.active_peft_config.peft_type.value == PREFIX:
            return self.peft.get_prompt(rows)
        run = getattr(self.base, self.base.base_model_prefix)
        embeddings_1ND = self.peft.get_prompt(1).to(self.base.dtype)
        cache = run(inputs_embeds=embeddings_1ND, use_cache=True).past_key_values
        cache.batch_repeat_interleave(rows)
        return cache
