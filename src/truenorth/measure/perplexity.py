"""How surprised a model is by texts that people wrote."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple

from truenorth.base import UserError
from truenorth.models.protocol import Model
from truenorth.records import Prompt
from truenorth.stats import Estimate, ratio


class Perplexity(NamedTuple):
    """`perplexity` is exp(`nats`), its interval too. Compare it only between models with one tokenizer."""

    perplexity: Estimate
    nats: Estimate  # nats per token
    tokens: int


def perplexity(
    model: Model,
    texts: Sequence[str],
    *,
    prompt: Prompt = "",
    clusters: Sequence[Hashable] | None = None,
    tick: Callable[[int], None] | None = None,
) -> Perplexity:
    """exp of the nats per token over all tokens, each text continued from `prompt` (default: nothing).

    The interval is over texts: which texts were chosen, not which tokens.

    Raises:
        UserError: no texts, an empty one (with its row), or one longer than the model's context.
    """
    if not texts:
        raise UserError("no texts", where="perplexity")
    for i, text in enumerate(texts):
        if not text.strip():
            raise UserError("an empty text", where=f"perplexity, text {i}", fix="drop empty texts")
    scored = model.logprobs([(prompt, text) for text in texts], tick=tick)
    nats = ratio([-s.total for s in scored], [len(s.tokens) for s in scored], clusters=clusters)
    whole = Estimate(_exp(nats.mean), _exp(nats.low), _exp(nats.high), nats.n)
    return Perplexity(whole, nats, sum(len(s.tokens) for s in scored))


def _exp(nats: float) -> float:
    return math.exp(nats) if nats < 700 else math.inf
