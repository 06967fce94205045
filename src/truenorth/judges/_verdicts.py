"""Log-probabilities of one-word verdicts under a local model: many in one forward pass, shared beginnings once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from truenorth.base import UserError

if TYPE_CHECKING:
    from truenorth.models.encoding import Pair
    from truenorth.models.local import LocalModel
    from truenorth.records import Prompt


def local_verdicts(
    model: LocalModel, prompts: Sequence[Prompt], options: Sequence[str]
) -> list[dict[str, float]]:
    """For each prompt, the log-probability (nats) of each option as the beginning of the answer.

    An option counts with and without a space before it, whichever way the tokenizer writes it.
    """
    from truenorth.models.prefixes import shared_scores

    spelt = list(dict.fromkeys(s for o in options for s in (o.strip(), " " + o.strip())))
    step = len(spelt)
    encoded = model.encode_continuations([(prompt, s) for prompt in prompts for s in spelt])
    _check_length(model, encoded, step)
    totals = [sum(row) for row in shared_scores(model.forward, encoded)]
    found = []
    for i in range(0, len(encoded), step):
        words = {s: tuple(pair.completion) for s, pair in zip(spelt, encoded[i : i + step])}
        known = dict(zip(spelt, totals[i : i + step]))
        found.append({o: _either(known, words, o) for o in options})
    return found


def _either(known: dict[str, float], words: dict[str, tuple[int, ...]], option: str) -> float:
    """Both spellings together; once where they are the same tokens."""
    tokens = {words[name]: known[name] for name in (option.strip(), " " + option.strip())}
    top = max(tokens.values())
    return top + math.log(sum(math.exp(v - top) for v in tokens.values())) if top > -math.inf else top


def _check_length(model: LocalModel, encoded: Sequence[Pair], step: int) -> None:
    if model.context is None or not encoded:
        return
    longest, at = max((len(pair.prompt) + len(pair.completion), i) for i, pair in enumerate(encoded))
    if longest > model.context:
        what = f"{longest} tokens, and the context holds {model.context}"
        raise UserError(what, where=f"{model.name}, request {at // step}", fix="shorten the answer")
