"""KL, perplexity, repetition and length: by enumeration, by pencil, and on a real tiny model."""

from __future__ import annotations

import math

import numpy as np
import pytest

from truenorth.base import UserError
from truenorth.measure import kl, length, perplexity, repetition
from truenorth.models import ScriptedModel
from truenorth.records import Completion, Scored


class Letters:
    """A model of words over letters a, b that end with probability `stop`; at most `longest` letters."""

    def __init__(self, p_a: float, stop: float, name: str = "letters"):
        self.p_a, self.stop, self.name = p_a, stop, name

    def _tokens(self, text, ended):
        go = [math.log(1 - self.stop) + math.log(self.p_a if c == "a" else 1 - self.p_a) for c in text]
        return tuple(go + ([math.log(self.stop)] if ended else []))

    def sample(self, prompts, n=1, *, max_tokens=64, temperature=1.0, seed=0, tick=None, **settings):
        assert temperature == 1.0
        rng, answers = np.random.default_rng(seed), []
        for _ in prompts:
            group = []
            for _ in range(n):
                text, ended = "", False
                while len(text) < max_tokens and not ended:
                    ended = rng.random() < self.stop
                    text += "" if ended else ("a" if rng.random() < self.p_a else "b")
                tokens = tuple("ab".index(c) for c in text) + ((2,) if ended else ())
                group.append(Completion(text, tokens, None, "stop" if ended else "length"))
            answers.append(group)
        return answers

    def logprobs(self, pairs, *, tick=None):
        """As the protocol says of chats: the end is always counted."""
        return [Scored(sum(t), t) for _, text in pairs for t in [self._tokens(text, True)]]


class Choosy(Letters):
    """The same with the setting that local models have."""

    def logprobs(self, pairs, *, tick=None, end=None):
        return [Scored(sum(t), t) for _, text in pairs for t in [self._tokens(text, bool(end))]]


def exact_kl(p: Letters, q: Letters, longest: int) -> tuple[float, float]:
    """(nats per completion, nats per token) by adding up over steps: each costs the same until it ends."""
    step = p.stop * math.log(p.stop / q.stop) + (1 - p.stop) * (
        math.log((1 - p.stop) / (1 - q.stop))
        + p.p_a * math.log(p.p_a / q.p_a)
        + (1 - p.p_a) * math.log((1 - p.p_a) / (1 - q.p_a))
    )
    steps = sum((1 - p.stop) ** k for k in range(longest))
    return step * steps, step


@pytest.mark.parametrize("kind", [Letters, Choosy])
@pytest.mark.parametrize("longest", [2, 64])
def test_kl_is_that_of_enumeration_truncated_completions_included(kind, longest):
    policy, reference = kind(0.7, 0.3), kind(0.5, 0.2)
    found = kl(policy, reference, ["p"] * 400, n=10, max_tokens=longest)
    sequence, token = exact_kl(policy, reference, longest)
    assert found.sequence.low < sequence < found.sequence.high
    assert found.token.low < token < found.token.high
    assert found.sequence.high - found.sequence.low < 0.5 * sequence
    assert found.truncated == pytest.approx(4000 * 0.7**longest, abs=130)
    assert found.retokenised == 0


def test_kl_intervals_cover():
    policy, reference = Choosy(0.6, 0.3), Choosy(0.5, 0.25)
    truth, inside = exact_kl(policy, reference, 8)[0], 0
    for seed in range(200):
        found = kl(policy, reference, ["p"] * 60, max_tokens=8, seed=seed).sequence
        inside += found.low <= truth <= found.high
    assert 0.9 <= inside / 200 <= 0.985


def test_a_model_has_not_moved_from_itself():
    found = kl(Letters(0.5, 0.5), Letters(0.5, 0.5), ["p"] * 5, n=2)
    assert found.sequence[:3] == found.token[:3] == (0.0, 0.0, 0.0)


def test_samples_of_one_prompt_are_one_cluster():
    policy, reference = Letters(0.9, 0.2), Letters(0.5, 0.2)
    apart = kl(policy, reference, [f"p{i}" for i in range(40)])
    together = kl(policy, reference, [f"p{i}" for i in range(40)], clusters=["one"] * 40)
    assert math.isfinite(apart.sequence.high)
    assert together.sequence.high == math.inf


def test_completions_that_never_came_are_counted():
    class Failing(Letters):
        def sample(self, prompts, n=1, **settings):
            return [[Completion("", finish="error", error="x")] * n for _ in prompts[:2]] + super().sample(
                prompts[2:], n, **settings
            )

    found = kl(Failing(0.5, 0.5), Letters(0.4, 0.5), ["p"] * 6)
    assert (found.sequence.n, found.sequence.abstained) == (4, 2)
    with pytest.raises(UserError, match="no completion came"):
        kl(Failing(0.5, 0.5), Letters(0.4, 0.5), ["p"] * 2)
    with pytest.raises(UserError, match="no prompts"):
        kl(Letters(0.5, 0.5), Letters(0.4, 0.5), [])


def test_perplexity_by_hand():
    # log-probabilities -1 over 2 tokens and -5 over 1: 6 nats over 3 tokens, exp(2)
    class Fixed:
        name = "fixed"

        def logprobs(self, pairs, *, tick=None):
            assert pairs[0] == ("", "two words")
            return [Scored(-1.0, (-0.5, -0.5)), Scored(-5.0, (-5.0,))][: len(pairs)]

    found = perplexity(Fixed(), ["two words", "one"])
    assert found.perplexity.mean == pytest.approx(math.e**2)
    assert found.nats.mean == pytest.approx(2.0)
    assert found.tokens == 3
    assert found.perplexity.low < found.perplexity.mean < found.perplexity.high
    with pytest.raises(UserError, match="text 1: an empty text"):
        perplexity(Fixed(), ["a", " "])
    with pytest.raises(UserError, match="no texts"):
        perplexity(Fixed(), [])


def test_a_uniform_model_is_as_perplexed_as_its_vocabulary_is_large():
    model = ScriptedModel(lambda p, i: "", likelihood=lambda p, c: math.log(1 / 50))
    assert perplexity(model, ["a", "b", "c"]).perplexity[:3] == pytest.approx((50.0, 50.0, 50.0))


def test_a_real_model_agrees_with_transformers(tiny_llama):
    import torch

    from truenorth.models import LocalModel

    model, other = (LocalModel.load(tiny_llama(seed=s), device="cpu") for s in (0, 1))
    text = "The ferry leaves at noon, and Anna sells fish in the market."
    prompt, completion = model.encode_pair("", text, end=False)
    ids = torch.tensor([[*(prompt or [model.tokenizer.bos_token_id]), *completion]])
    labels = ids.clone()
    labels[:, : ids.shape[1] - len(completion)] = -100
    with torch.no_grad():
        theirs = model.module(input_ids=ids, labels=labels).loss.exp().item()
    assert perplexity(model, [text]).perplexity.mean == pytest.approx(theirs, rel=1e-4)
    chats = [[{"role": "user", "content": f"Tell me about {x}."}] for x in ("boats", "nets", "fish")]
    same = kl(model, model, chats, n=2, max_tokens=6)
    assert same.sequence.mean == pytest.approx(0.0, abs=1e-5)
    assert same.token.n == 6
    assert kl(model, other, chats, n=8, max_tokens=12).sequence.mean > 0.05


def test_repetition_by_hand():
    # a b c d a b c d: 4-grams abcd bcda cdab dabc abcd: one of five stood there before
    found = repetition(["a b c d a b c d", "x"])
    assert found.repeated_4.mean == pytest.approx(0.2)
    assert (found.repeated_4.n, found.repeated_4.abstained) == (1, 1)
    assert found.distinct_1 == pytest.approx(5 / 9)
    assert found.distinct_2 == pytest.approx(4 / 7)
    assert found.distinct_3 == pytest.approx(4 / 6)
    assert found.same_text == 0.0


def test_case_and_spacing_do_not_hide_repetition_and_punctuation_is_a_word():
    assert repetition(["Yes, it is.", "yes ,  it is ."]).same_text == 0.5
    assert repetition(["don't don't"]).distinct_1 == 0.5
    assert repetition(["no"]).distinct_1 == 1.0


def test_the_longest_loop_is_nearly_all_repetition():
    assert repetition(["go " * 103]).repeated_4.mean == pytest.approx(0.99)


def test_no_texts_and_empty_texts_are_unknown_not_zero():
    for texts in ([], ["", " "]):
        assert math.isnan(repetition(texts).distinct_1)
        assert math.isnan(repetition(texts).repeated_4.mean)


def test_length_by_hand():
    found = length(
        [
            Completion("one two three", (1, 2, 3, 4)),
            Completion("one", (1, 2), finish="length"),
            Completion("  ", ()),
            Completion("", finish="error", error="timed out"),
        ]
    )
    assert found.words.mean == pytest.approx(4 / 3)
    assert (found.words.n, found.words.abstained) == (3, 1)
    assert (found.tokens.mean, found.tokens.n) == (3.0, 2)
    assert found.truncated.mean == pytest.approx(1 / 3)
    assert found.empty.mean == pytest.approx(1 / 3)


def test_answers_of_one_word_are_a_length_not_a_rate():
    found = length([Completion("yes")] * 5)
    assert found.words[:3] == (1.0, 1.0, 1.0)
    assert found.truncated.high > 0.3
