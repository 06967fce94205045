"""Log-probabilities of given completions, the packed fast path: for references, KL, judges and tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from truenorth.learn.checks import check_examples
from truenorth.learn.reference import completion_logps
from truenorth.learn.types import Example
from truenorth.models.opening import open_forward


def token_logps(model: Any, examples: Sequence[Example]) -> list[list[np.ndarray]]:
    """Per example, per completion: (T,) float32 log-probs (nats) of its tokens, given all before them.

    Args:
        model: a LocalModel (anything with a transformers causal LM as `.module`).

    Raises:
        UserError: empty prompts or completions.
    """
    check_examples(examples, where="token_logps")
    model.module.eval()
    found: list[list[np.ndarray]] = []
    for i, logp_T in completion_logps(open_forward(model.module), examples):
        cuts = np.cumsum([len(c) for c in examples[i].completions])[:-1]
        found.append(np.split(logp_T.numpy(), cuts))
    return found
