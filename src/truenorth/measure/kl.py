"""How far a policy has moved: KL(policy || reference), on completions that the policy samples.

The plain Monte-Carlo estimate: the mean of log policy - log reference over sampled completions, unbiased.
Left out: the variance-reduced k3 estimate, whose rare huge values make short evaluations look better than
they are.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple, cast

from truenorth.base import UserError
from truenorth.models.protocol import Model
from truenorth.records import Completion, Prompt, Scored
from truenorth.stats import Estimate, ratio

Tick = Callable[[int], None]


class KL(NamedTuple):
    """Nats. `retokenised` completions have other tokens as text than as sampled; many blur the estimate."""

    sequence: Estimate  # nats per completion
    token: Estimate  # nats per token: total nats over total tokens
    truncated: int  # completions cut at max_tokens; their end-of-turn token is not counted
    retokenised: int


def kl(
    policy: Model,
    reference: Model,
    prompts: Sequence[Prompt],
    *,
    n: int = 1,
    max_tokens: int = 64,
    seed: int = 0,
    clusters: Sequence[Hashable] | None = None,
    tick: Tick | None = None,
) -> KL:
    """KL(policy || reference) at temperature 1, over `n` completions of each prompt, clustered by prompt.

    Args:
        clusters: one label a prompt, where prompts belong together; by default each is its own.

    Raises:
        UserError: no prompts, or no completion came.
    """
    if not prompts:
        raise UserError("no prompts", where="kl")
    labels = range(len(prompts)) if clusters is None else clusters
    drawn = policy.sample(prompts, n, max_tokens=max_tokens, temperature=1.0, seed=seed, tick=tick)
    pairs = [(prompt, c, label) for prompt, group, label in zip(prompts, drawn, labels) for c in group]
    came = [(prompt, c, label) for prompt, c, label in pairs if c.finish != "error"]
    if not came:
        raise UserError("no completion came", where=f"kl of {policy.name}", expected="at least one")
    completions = [c for _, c, _ in came]
    asked = [prompt for prompt, _, _ in came]
    exact = all(prompts) and _share_tokens(policy, reference)  # an empty prompt has no token to begin from
    scoring = token_logprobs if exact else text_logprobs
    ours, theirs = (scoring(model, asked, completions) for model in (policy, reference))
    gaps = [a.total - b.total for a, b in zip(ours, theirs)]
    lengths = [len(a.tokens) for a in ours]
    groups, lost = [label for _, _, label in came], len(pairs) - len(came)
    return KL(
        sequence=ratio(gaps, [1.0] * len(gaps), clusters=groups, abstained=lost),
        token=ratio(gaps, lengths, clusters=groups, abstained=lost),
        truncated=sum(c.finish == "length" for c in completions),
        retokenised=0 if exact else sum(map(_retokenised, completions, lengths)),
    )


def token_logprobs(model: Any, prompts: Sequence[Prompt], completions: Sequence[Completion]) -> list[Scored]:
    """Log-probabilities of the very tokens that were sampled, under a local model."""
    from truenorth.models.encoding import Pair
    from truenorth.models.scoring import score

    pairs = [Pair(model.encode_prompt(p), list(c.tokens)) for p, c in zip(prompts, completions)]
    sizes = {"pad_id": model.pad_id, "batch_tokens": model.batch_tokens // 4}
    return [Scored(sum(row), row) for row in score(model.module, pairs, **sizes)]


def text_logprobs(model: Model, prompts: Sequence[Prompt], completions: Sequence[Completion]) -> list[Scored]:
    """Log-probabilities of completions as text; the token that ends one counts if sampling ended by it."""
    pairs = [(prompt, c.text) for prompt, c in zip(prompts, completions)]
    ended = [c.finish == "stop" for c in completions]
    if "end" not in inspect.signature(model.logprobs).parameters:
        return [
            _without_end(s) if not stop and c.tokens and len(s.tokens) == len(c.tokens) + 1 else s
            for s, c, stop in zip(model.logprobs(pairs), completions, ended)
        ]
    found: dict[int, Scored] = {}
    asked: Any = model.logprobs
    for end in (True, False):
        places = [i for i, stop in enumerate(ended) if stop is end]
        if places:
            found |= dict(zip(places, asked([pairs[i] for i in places], end=end)))
    return [found[i] for i in range(len(pairs))]


def _share_tokens(policy: Model, reference: Model) -> bool:
    """Local models with one vocabulary are compared on the tokens sampled: no way through text and back."""
    if not all(hasattr(model, "module") and hasattr(model, "tokenizer") for model in (policy, reference)):
        return False
    ours, theirs = (cast(Any, model).tokenizer for model in (policy, reference))
    return ours is theirs or ours.get_vocab() == theirs.get_vocab()


def _retokenised(completion: Completion, tokens: int) -> bool:
    return bool(completion.tokens) and len(completion.tokens) != tokens


def _without_end(scored: Scored) -> Scored:
    return Scored(scored.total - scored.tokens[-1], scored.tokens[:-1])
