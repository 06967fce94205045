"""Scores of completions from a decoder with a score head, over the packed row that reads each prompt once.

The model is transformers' own `...ForSequenceClassification` or `...ForTokenClassification`: a decoder and a
linear layer `score`. A completion's score is read at its last token; process rewards at every token.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from truenorth.base import UserError
from truenorth.models.forward import Forward, Path
from truenorth.models.fused import Fused
from truenorth.models.opening import parts_of
from truenorth.models.packed import Branching, reading
from truenorth.models.virtual import unwrapped

TOLERANCE = 2e-3  # of a score, in the self-check (float32: 1e-6 is usual)
SAVED = "a decoder for sequence or token classification, with a linear layer `score`"


class _Closed(NamedTuple):
    """An example whose completions have one token more, so that the row holds all of their own."""

    prompt: Sequence[int]
    completions: Sequence[Sequence[int]]


@dataclass(frozen=True)
class ScoreForward:
    """One model with a score head, and how its scores are computed."""

    module: Any
    path: Path
    compute: torch.dtype = torch.float32
    trims: bool = False  # may the last layer be computed only where it is read? see last_layer.py
    parts: tuple[Fused, ...] = ()  # what stands in for parts of the model; see fused.py

    @property
    def device(self) -> torch.device:
        return next(self.module.parameters()).device

    def scores(self, examples: Sequence[Branching], *, each_token: bool = False) -> Tensor:
        """(B, K) float32 outputs at the last token of each completion, or (T, K) at every token of all."""
        body = Forward(self.module, self.path, self.compute, self.trims, self.parts)
        return self.module.score(states(body, examples, each_token=each_token).float()).float()


def states(body: Forward, examples: Sequence[Branching], *, each_token: bool = False) -> Tensor:
    """(B, D) what a model's body holds after the last token of each completion, or (T, D) after every token."""
    closed = [_Closed(e.prompt, [(*c, 0) for c in e.completions]) for e in examples]
    layout = body.lay_out(closed)
    ends = np.cumsum(layout.lengths) - 1  # the row before the added token: the completion's last
    if each_token:
        firsts = set((ends - np.array(layout.lengths) + 1).tolist())
        ends = np.array([i for i in range(len(layout.row_T)) if i not in firsts])
    at = torch.from_numpy(ends).to(layout.row_T.device)
    if body.path == "packed":
        return body.rows(closed, reading(layout, layout.row_T[at]))
    return body.rows(closed, layout).index_select(0, at)


def open_scores(module: Any) -> ScoreForward:
    """The fastest path whose scores are the model's own on a tiny input.

    Raises:
        UserError: not a decoder with a score head, or its scores are not those of its last token.
    """
    module = unwrapped(module)
    if not hasattr(module, "score") or not hasattr(module, "base_model_prefix"):
        raise UserError(f"{type(module).__name__} has no score head", where="fit", expected=SAVED)
    cuda = next(module.parameters()).device.type == "cuda"
    compute = torch.bfloat16 if cuda else torch.float32
    training = module.training
    module.eval()
    try:
        packed = ScoreForward(module, "packed", compute)
        fast = replace(packed, trims=True, parts=parts_of(module, "packed", compute))
        for forward in (fast, packed, ScoreForward(module, "padded", compute)):
            try:
                worst = disagreement(forward)
            except (TypeError, AttributeError, NotImplementedError, ValueError, RuntimeError, KeyError):
                continue  # this architecture does not take that call: the next path is plainer
            if worst <= (0.25 if cuda else TOLERANCE):
                return forward
    finally:
        module.train(training)
    raise UserError(
        f"the scores of {type(module).__name__} are not those of its last token", where="fit", expected=SAVED
    )


def disagreement(forward: ScoreForward) -> float:
    """Largest difference between this path's scores and the model's own, on a tiny input."""
    vocabulary = forward.module.get_input_embeddings().weight.shape[0]
    usual = [i for i in range(1, min(vocabulary, 1000)) if i != forward.module.config.pad_token_id]
    draw = [usual[i] for i in np.random.default_rng(0).integers(0, len(usual), 24)]
    examples = [
        _Closed(draw[:5], [draw[5:12], draw[12:14]]),
        _Closed(draw[14:15], [draw[15:16]]),
        _Closed(draw[16:20], [draw[20:24]]),
    ]
    worst = 0.0
    with torch.no_grad():
        for each_token in (False, True):
            ours = iter(forward.scores(examples, each_token=each_token))
            for example in examples:
                for completion in example.completions:
                    ids = torch.tensor([[*example.prompt, *completion]], device=forward.device)
                    theirs = forward.module(input_ids=ids, use_cache=False).logits[0].float()
                    if theirs.ndim == 1 and each_token:
                        continue  # the model gives one score for a sequence: nothing to compare with
                    want = (
                        theirs[len(example.prompt) :]
                        if each_token
                        else theirs.reshape(-1, theirs.shape[-1])[-1:]
                    )
                    got = torch.stack([next(ours) for _ in want])
                    difference = (got - want).abs().max().item()
                    worst = max(worst, difference if difference == difference else float("inf"))
    return worst
