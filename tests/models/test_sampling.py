"""Batched sampling against plain loops, on tiny real models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from truenorth.base import UserError, seed_of, uniform
from truenorth.models import LocalModel, Model
from truenorth.models.drawing import draw
from truenorth.models.sampling import Ask, can_share, plan, sample_batch, without

PROMPTS = [
    "The harbour",
    "Anna sells fish in the market and",
    "What is",
    "Please tell me how many sails a sloop has.",
    "7",
]


@pytest.fixture(scope="module")
def model(tiny_llama: Any) -> LocalModel:
    return LocalModel.load(tiny_llama())


def plain_answer(module: Any, ids: list[int], seed: int, eos: frozenset[int], limit: int) -> list[int]:
    """One answer, a whole forward pass for each token: no cache, no batch, no padding."""
    tokens: list[int] = []
    while len(tokens) < limit:
        with torch.inference_mode():
            logits = module(input_ids=torch.tensor([[*ids, *tokens]])).logits[:, -1]
        u = torch.from_numpy(uniform(np.array([seed], dtype=np.uint64), len(tokens)))
        tokens.append(int(draw(logits, u, temperature=1.0).tokens_B))
        if tokens[-1] in eos:
            break
    return tokens


@pytest.mark.parametrize("shared", [True, False])
def test_batched_answers_are_those_of_a_plain_loop(model: LocalModel, shared: bool) -> None:
    eos = frozenset(range(0, 400, 12))  # some answers end early
    prompts = [model.encode_prompt(p) for p in PROMPTS]
    asks = [Ask(ids, [seed_of(i, k) for k in range(1 + i % 3)], 9 + i) for i, ids in enumerate(prompts)]
    drawn = sample_batch(model.module, asks, eos_ids=eos, pad_id=2, shared=shared)
    for ask, rows in zip(asks, drawn):
        for seed, row in zip(ask.seeds, rows):
            expected = plain_answer(model.module, list(ask.ids), seed, eos, ask.limit)
            assert list(row.tokens) == expected
            assert row.finish == ("stop" if expected[-1] in eos else "length")
    assert {row.finish for rows in drawn for row in rows} == {"stop", "length"}


def test_a_row_does_not_depend_on_what_shares_its_batch(model: LocalModel) -> None:
    together = model.sample(PROMPTS, 4, max_tokens=12, seed=3)
    for i, prompt in enumerate(PROMPTS):
        assert model.sample([prompt], 2, max_tokens=12, seed=3)[0] == _close(together[i][:2])
    small = LocalModel.of(model.module, model.tokenizer, name="small", batch_rows=3, batch_tokens=64)
    assert [_texts(row) for row in small.sample(PROMPTS[::-1], 4, max_tokens=12, seed=3)] == [
        _texts(row) for row in together[::-1]
    ]


def test_seeds_prompts_and_indices_all_change_the_draw(model: LocalModel) -> None:
    base = model.sample(PROMPTS[:1], 3, max_tokens=8)[0]
    assert len({c.tokens for c in base}) == 3
    assert model.sample(PROMPTS[:1], 3, max_tokens=8, seed=1)[0] != base


def test_equal_prompts_have_equal_answers(model: LocalModel) -> None:
    ticks: list[int] = []
    a, b, c = model.sample(["The", "Anna", "The"], 2, max_tokens=5, tick=ticks.append)
    assert _texts(a) == _texts(c) != _texts(b)
    assert sum(ticks) == 3


def test_greedy_is_what_generate_gives(model: LocalModel) -> None:
    ids = model.encode_prompt(PROMPTS[1])
    greedy = model.sample(PROMPTS, max_tokens=15, temperature=0)[1][0]
    eos = sorted(model.eos_ids)
    out = model.module.generate(
        torch.tensor([ids]), do_sample=False, max_new_tokens=15, eos_token_id=eos, pad_token_id=2
    )
    assert list(greedy.tokens) == out[0, len(ids) :].tolist()


def test_the_logprob_of_an_answer_is_what_scoring_its_tokens_gives(model: LocalModel) -> None:
    answer = model.sample(PROMPTS[:1], max_tokens=10)[0][0]
    ids = model.encode_prompt(PROMPTS[0])
    with torch.inference_mode():
        logits = model.module(input_ids=torch.tensor([[*ids, *answer.tokens]])).logits[0, len(ids) - 1 : -1]
    expected = logits.double().log_softmax(-1).gather(1, torch.tensor(answer.tokens)[:, None]).sum()
    assert answer.logprob == pytest.approx(float(expected), abs=1e-4)


def test_a_stop_string_ends_an_answer_and_is_cut(model: LocalModel) -> None:
    free = model.sample(PROMPTS, 4, max_tokens=20)
    some = next(c.text for row in free for c in row if len(c.text) > 6)
    stop = some[3:5]
    for row, free_row in zip(model.sample(PROMPTS, 4, max_tokens=20, stop=[stop]), free):
        for got, whole in zip(row, free_row):
            assert got.text == whole.text.split(stop)[0]
            if stop in whole.text:
                assert got.finish == "stop"
                assert len(got.tokens) <= len(whole.tokens)


@pytest.mark.parametrize(
    ("architecture", "config", "shares"),
    [
        ("llama", {"num_key_value_heads": 1}, True),
        ("gpt2", {}, True),
        ("qwen2", {}, True),
        ("qwen3", {}, True),
        ("mistral", {"sliding_window": 6}, False),
        ("mistral", {"sliding_window": None}, True),
        ("gpt_neox", {}, True),
        ("gemma2", {"query_pre_attn_scalar": 8, "final_logit_softcapping": 5.0}, True),
        ("gemma3_text", {"sliding_window": 6}, False),
        ("phi", {}, True),
        ("bloom", {"n_head": 4}, False),
        ("opt", {"word_embed_proj_dim": 32, "ffn_dim": 64}, True),
    ],
)
def test_every_architecture_gives_the_answers_of_a_plain_loop(
    architecture: str, config: dict[str, Any], shares: bool
) -> None:
    sizes = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "max_position_embeddings": 64,
    }
    if architecture == "gpt2":
        sizes = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64}
    if architecture == "bloom":
        sizes = {"hidden_size": 32, "n_layer": 2}
    if architecture in ("gpt_neox", "phi", "opt"):
        sizes = {k: v for k, v in sizes.items() if k not in ("num_key_value_heads", "head_dim")}
    made = transformers.AutoConfig.for_model(
        architecture, vocab_size=97, initializer_range=0.3, pad_token_id=0, **{**sizes, **config}
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = transformers.AutoModelForCausalLM.from_config(made).eval()
    chance = np.random.default_rng(0)
    asks = [Ask(chance.integers(1, 97, n).tolist(), [n, n + 50], 8) for n in (4, 9, 6)]
    eos = frozenset({5, 6, 7, 8})
    drawn = sample_batch(module, asks, eos_ids=eos, pad_id=0, shared=can_share(module))
    for ask, rows in zip(asks, drawn):
        expected = [plain_answer(module, list(ask.ids), seed, eos, 8) for seed in ask.seeds]
        assert [list(row.tokens) for row in rows] == expected
    if architecture not in ("gemma3_text", "mistral"):
        assert can_share(module) is shares


def test_the_models_own_attention_is_back_after_sampling(model: LocalModel) -> None:
    before = model.module.config._attn_implementation
    assert model.shares_prompts
    model.sample(PROMPTS, max_tokens=3)
    assert model.module.config._attn_implementation == before


def test_finished_rows_give_their_place_to_the_last() -> None:
    assert without(6, [0, 3, 5]) == ([4, 1, 2], [(4, 0)])
    assert without(3, [0]) == ([2, 1], [(2, 0)])
    assert without(3, [2]) == ([0, 1], [])


def test_batches_hold_no_more_than_was_allowed_and_lose_nothing() -> None:
    asks = [Ask(range(1 + i % 7), [0] * (1 + i % 4), 1 + i % 5) for i in range(40)]
    batches = plan(asks, batch_tokens=60, batch_rows=8)
    assert sorted(i for batch in batches for i in batch) == list(range(40))
    for batch in batches:
        rows = sum(len(asks[i].seeds) for i in batch)
        limit, width = max(asks[i].limit for i in batch), max(len(asks[i].ids) for i in batch)
        assert rows <= 8
        assert len(batch) * width + rows * limit <= 60


def test_an_answer_stops_at_the_end_of_the_context(tiny_llama: Any) -> None:
    model = LocalModel.load(tiny_llama(context=24))
    length = len(model.encode_prompt("The harbour"))
    answers = model.sample(["The harbour"], 6, max_tokens=100)[0]
    assert max(len(a.tokens) for a in answers) == 24 - length
    assert all(a.finish in ("stop", "length") for a in answers)


def test_a_prompt_that_fills_the_context_is_refused_or_counted(tiny_llama: Any) -> None:
    model = LocalModel.load(tiny_llama(context=24))
    with pytest.raises(UserError, match=r"row 1: .* the context holds 24"):
        model.sample(["short", "long " * 40])
    ticks: list[int] = []
    answers = model.sample(["short", "long " * 40], 2, max_tokens=4, overlong="skip", tick=ticks.append)
    assert [c.finish for c in answers[1]] == ["error", "error"]
    assert all(c.finish != "error" for c in answers[0])
    assert model.counts["overlong_skipped"] == 1
    assert sum(ticks) == 2


@pytest.mark.parametrize(
    "setting",
    [{"n": 0}, {"max_tokens": 0}, {"temperature": -1.0}, {"top_p": 0.0}, {"temperature": float("nan")}],
)
def test_settings_out_of_range_are_refused(model: LocalModel, setting: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=next(iter(setting))):
        model.sample(["a"], **setting)


def test_no_prompts_give_no_answers(model: LocalModel) -> None:
    assert model.sample([]) == []
    assert model.logprobs([]) == []
    assert isinstance(model, Model)


def test_the_real_story_model_tells_its_greedy_story(shared: Path) -> None:
    model = LocalModel.load(shared / "models" / "stories260K")
    told = model.sample([""], temperature=0, max_tokens=60)[0][0]
    # The text printed in llama2.c's doc/stories260K.md.
    assert told.text.startswith(
        "Once upon a time, there was a little girl named Lily. She loved to play outside in the park. "
        "One day, she saw a big, red ball. She wanted to play with it, but it was too high"
    )
    assert model.eos_ids == {1, 2}
    ended = model.sample(["Once upon a time"], 4, max_tokens=300)[0]
    assert any(a.finish == "stop" and a.tokens[-1] == 1 for a in ended)


def _texts(row: Any) -> list[tuple[str, tuple[int, ...], str]]:
    return [(c.text, c.tokens, c.finish) for c in row]


class _close(list[Any]):
    """Equal but for the last digits of log-probabilities, which depend on the sizes of matrix products."""

    def __eq__(self, other: object) -> bool:
        assert isinstance(other, list)
        mine, theirs = [c.logprob for c in self], [c.logprob for c in other]
        return _texts(self) == _texts(other) and theirs == pytest.approx(mine, abs=1e-4)

    __hash__ = None  # type: ignore[assignment]
