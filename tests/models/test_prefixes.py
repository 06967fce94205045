"""Completions whose sequences begin alike: the same log-probabilities as one at a time, for less work."""

from __future__ import annotations

import random
from typing import Any

import pytest

from truenorth.models.encoding import Pair
from truenorth.models.local import LocalModel
from truenorth.models.opening import open_forward
from truenorth.models.prefixes import _batches, shared_scores, tree_of
from truenorth.models.scoring import score


def _pairs(count: int = 40) -> list[Pair]:
    """Prompts that share beginnings of several lengths, completions of 0 to 3 tokens, some equal to others."""
    chance = random.Random(0)

    def some(n: int) -> list[int]:
        return [chance.randrange(5, 300) for _ in range(n)]

    trunk, limbs = some(20), [some(chance.randint(1, 9)) for _ in range(4)]
    pairs = [
        Pair([*trunk, *chance.choice(limbs), *some(chance.randint(0, 4))], some(chance.randint(0, 3)))
        for _ in range(count)
    ]
    return [*pairs, pairs[0], Pair(some(1), some(2)), Pair(trunk, limbs[0]), Pair([*trunk, *limbs[0]], [7])]


@pytest.mark.parametrize("path", ["packed", "padded", "logits"])
@pytest.mark.parametrize("batch_tokens", [30, 8192])
def test_scores_are_those_of_one_at_a_time_in_the_order_asked(tiny_llama: Any, path: Any, batch_tokens: int):
    model = LocalModel.load(tiny_llama())
    pairs, ticks = _pairs(), []
    plain = [score(model.module, [pair], pad_id=2)[0] if pair.completion else () for pair in pairs]
    forward = open_forward(model.module, prefer=path)
    assert forward.path == path
    found = shared_scores(forward, pairs, batch_tokens=batch_tokens, tick=ticks.append)
    assert sum(ticks) == len(pairs)
    for ours, theirs in zip(found, plain, strict=True):
        assert ours == pytest.approx(theirs, abs=1e-4)


def test_windows_and_capped_scores_are_kept(tiny_llama: Any):
    """Gemma 2: attention within a window on every other layer, capped scores and logits."""
    folder = tiny_llama(
        architecture="gemma2", sliding_window=8, attn_logit_softcapping=5.0, final_logit_softcapping=3.0
    )
    model = LocalModel.load(folder)
    pairs = _pairs(12)
    plain = [score(model.module, [pair], pad_id=2)[0] if pair.completion else () for pair in pairs]
    for ours, theirs in zip(shared_scores(model.forward, pairs), plain, strict=True):
        assert ours == pytest.approx(theirs, abs=1e-4)


def test_a_token_in_common_is_computed_once(tiny_llama: Any, monkeypatch: pytest.MonkeyPatch):
    """A rubric of 30 tokens, 3 answers of 4, 2 questions of 5 about each, and 2 verdicts: 30 + 3 (4 + 2 * 5) tokens;
    6 positions go through the head."""
    model = LocalModel.load(tiny_llama())
    assert model.forward.path == "packed"
    seen: list[int] = []
    body = model.module.model.forward

    def counted(*args: Any, **kwargs: Any) -> Any:
        seen.append(kwargs["input_ids"].numel())
        return body(*args, **kwargs)

    monkeypatch.setattr(model.module.model, "forward", counted)
    rows: list[int] = []
    head = type(model.forward.head)
    logits = head.logits
    monkeypatch.setattr(head, "logits", lambda self, x: rows.append(len(x)) or logits(self, x))
    pairs = [
        Pair([*range(10, 40), *[50 + a] * 4, *[60 + q] * 5], [verdict])
        for a in range(3)
        for q in range(2)
        for verdict in (5, 6)
    ]
    shared_scores(model.forward, pairs)
    assert seen == [30 + 3 * (4 + 2 * 5)]
    assert rows == [6]


def test_a_sequence_that_another_begins_with_is_no_leaf():
    tree = tree_of(sorted([(1,), (1, 2), (1, 2), (3,), (1, 2, 4)]))
    assert tree.leaves == [(1, 2, 4), (3,)]
    assert tree.leaf_of == [0, 0, 0, 0, 1]


def test_batches_hold_as_many_different_tokens_as_allowed():
    pairs = [Pair([1, 2, 3, 4], [k]) for k in range(5)] + [Pair([9] * 6, [k]) for k in range(2)]
    assert list(_batches(pairs, 10)) == [[0, 1, 2, 3, 4, 5, 6]]
    assert list(_batches(pairs, 9)) == [[0, 1, 2, 3, 4], [5, 6]]
    assert list(_batches([Pair([1] * 40, [2])], 9)) == [[0]]  # one that is longer is a batch of its own


def test_many_leaves_of_a_long_beginning_are_cut_into_batches():
    """Attention has a place for every token of every sequence: 4 for each token of a batch at most."""
    pairs = [Pair([1] * 100 + [k], [5]) for k in range(40)]
    assert max(101 * len(batch) for batch in _batches(pairs, 250)) <= 1000
