"""Score heads over the packed row: the model's own scores and gradients, TRL's losses, and the limits of each loss."""

from __future__ import annotations

import math
import warnings
from functools import partial
from types import SimpleNamespace

import learn_plain as plain
import pytest
import torch
import torch.nn.functional as F
import transformers as tf

from truenorth.base import UserError
from truenorth.learn import Example, Task, fit
from truenorth.learn.coupling import needs
from truenorth.learn.gradient import task_gradient
from truenorth.learn.objectives.attributes import attributes
from truenorth.learn.objectives.bradley_terry import bradley_terry
from truenorth.learn.objectives.cost import cost
from truenorth.learn.objectives.irl import irl
from truenorth.learn.objectives.ordinal import ordinal
from truenorth.learn.objectives.prm import prm
from truenorth.learn.types import Losses, ScorePair, Scores, TokenScores
from truenorth.learn.work import Work
from truenorth.models.score_head import ScoreForward, open_scores

COMMON = {
    "vocab_size": plain.VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "initializer_range": 0.2,
    "pad_token_id": 0,
}
GPT2 = {"vocab_size": plain.VOCABULARY, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 128}
MODELS = {
    "llama": (tf.LlamaConfig, COMMON),
    "qwen2": (tf.Qwen2Config, COMMON),
    "mistral, window": (tf.MistralConfig, COMMON | {"sliding_window": 6}),
    "gpt2": (tf.GPT2Config, GPT2 | {"initializer_range": 0.2, "pad_token_id": 0}),
    "gemma2": (tf.Gemma2Config, COMMON | {"head_dim": 8, "sliding_window": 6}),
}


def build(name="llama", *, outputs=1, tokens=False, seed=0):
    kind, settings = MODELS[name]
    torch.manual_seed(seed)
    auto = tf.AutoModelForTokenClassification if tokens else tf.AutoModelForSequenceClassification
    return auto.from_config(kind(**settings, num_labels=outputs)).eval()


def pairs(count, seed=0):
    """Pairs without the padding token, which transformers would take for padding."""
    return [
        e._replace(
            prompt=[t or 1 for t in e.prompt], completions=[[t or 1 for t in c] for c in e.completions]
        )
        for e in plain.pairs(count, seed)
    ]


def score(module, prompt, completion):
    return module(input_ids=torch.tensor([[*prompt, *completion]]), use_cache=False).logits[0]


def step(module, examples, objective, *, micro_tokens=10_000, path="opened"):
    need = needs(objective)
    work = Work("t", objective, need, need.average, 1.0, None)
    module.zero_grad()
    forward = open_scores(module) if path == "opened" else ScoreForward(module, path)
    part = task_gradient(forward, work, examples, list(range(len(examples))), micro_tokens)
    return part, plain.gradients(module)


def same(part, gradients, loss, module):
    module.zero_grad()
    loss.backward()
    torch.testing.assert_close(part.loss, loss.detach(), atol=1e-5, rtol=1e-5)
    for name, want in plain.gradients(module).items():
        torch.testing.assert_close(
            gradients[name], want, atol=3e-5, rtol=2e-4, msg=lambda m, n=name: f"{n}: {m}"
        )


@pytest.mark.parametrize("name", MODELS)
def test_scores_and_gradients_are_the_models_own(name):
    module, examples = build(name), pairs(4)
    assert open_scores(module).path == "packed"
    part, gradients = step(module, examples, bradley_terry)
    found = [[score(module, e.prompt, c)[0] for c in e.completions] for e in examples]
    torch.testing.assert_close(
        part.score_BK[:, 0], torch.stack([s for row in found for s in row]).detach(), atol=1e-5, rtol=1e-5
    )
    same(part, gradients, torch.stack([-F.logsigmoid(c - r) for c, r in found]).mean(), module)


@pytest.mark.parametrize("path", ["opened", "packed", "padded"])
@pytest.mark.parametrize("micro_tokens", [10_000, 30, 1])
def test_a_pair_step_is_autograds_under_any_split(path, micro_tokens):
    module, margins = build(outputs=2), [0.5, 0.0, 2.0, -1.0, 1.0]
    examples = [e._replace(weight=w) for e, w in zip(pairs(5), [1, 2, 1, 0.5, 3])]
    losses = []
    for e, m in zip(examples, margins):
        c, r = (score(module, e.prompt, x) for x in e.completions)
        losses.append(e.weight * (-F.logsigmoid(c - r - m)).mean())
    rows = [e._replace(columns={"margin": m}) for e, m in zip(examples, margins)]
    part, gradients = step(module, rows, bradley_terry, micro_tokens=micro_tokens, path=path)
    same(part, gradients, torch.stack(losses).sum() / 7.5, module)


@pytest.mark.parametrize("micro_tokens", [10_000, 1])
def test_attributes_are_regressed_where_they_were_rated(micro_tokens):
    module = build(outputs=3)
    examples = [Example((5, 6), ((7, 8), (9,)), columns={"ratings": [[1, None, 2.0], [0.5, 4, 3]]})] * 2
    examples += [Example((4,), ((3, 2, 1),), columns={"ratings": [[None, 1, None]]})]
    losses = []
    for e in examples:
        for c, rated in zip(e.completions, e.columns["ratings"]):
            errors = [(s - r) ** 2 for s, r in zip(score(module, e.prompt, c), rated) if r is not None]
            losses.append(torch.stack(errors).mean())
    part, gradients = step(module, examples, attributes, micro_tokens=micro_tokens)
    same(part, gradients, torch.stack(losses).mean(), module)


@pytest.mark.parametrize("name", ["llama", "qwen2"])
@pytest.mark.parametrize("micro_tokens", [10_000, 1])
def test_the_process_loss_is_the_token_classifiers_own(name, micro_tokens):
    """transformers' own token classification: cross-entropy, mean over labels that are not -100."""
    module = build(name, outputs=2, tokens=True)
    assert open_scores(module).path == "packed"
    rows = [((3, 4, 5), (6, 7, 8, 9, 10), [None, 1, None, None, 0]), ((5,), (11, 12), [None, 1])]
    total, count = 0.0, 0
    for prompt, completion, labels in rows:
        ids = torch.tensor([[*prompt, *completion]])
        target = torch.tensor([[-100] * len(prompt) + [-100 if x is None else x for x in labels]])
        n = int((target != -100).sum())
        total, count = total + n * module(input_ids=ids, labels=target).loss, count + n
    examples = [Example(p, (c,), columns={"labels": [x]}) for p, c, x in rows]
    part, gradients = step(module, examples, prm, micro_tokens=micro_tokens)
    same(part, gradients, total / count, module)


@pytest.fixture(scope="module")
def reward_trainer(tmp_path_factory):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from datasets import Dataset
        from test_objectives import word_tokenizer
        from trl import RewardConfig, RewardTrainer

        config = RewardConfig(
            output_dir=str(tmp_path_factory.mktemp("trl")),
            center_rewards_coefficient=0.05,
            use_cpu=True,
            report_to=[],
            bf16=False,
            gradient_checkpointing=False,
        )
        return RewardTrainer(
            model=build(),
            args=config,
            train_dataset=Dataset.from_list([{"chosen": "w2 w3 w4", "rejected": "w2 w3 w5"}] * 2),
            processing_class=word_tokenizer(),
        )


@pytest.mark.parametrize("margins", [None, [0.5, 0.0, 2.0]])
def test_bradley_terry_is_trls_in_value_and_gradient(reward_trainer, margins):
    module, examples = reward_trainer.model, pairs(3, seed=7)
    rows = [
        {"chosen_ids": [*e.prompt, *e.completions[0]], "rejected_ids": [*e.prompt, *e.completions[1]]}
        | ({} if margins is None else {"margin": margins[i]})
        for i, e in enumerate(examples)
    ]
    module.eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loss = reward_trainer.compute_loss(module, reward_trainer.data_collator(rows))
    if margins is not None:
        examples = [e._replace(columns={"margin": m}) for e, m in zip(examples, margins)]
    part, gradients = step(module, examples, partial(bradley_terry, centring=0.05))
    same(part, gradients, loss, module)
    module.train()


# --- identities and limits (methods B1) -----------------------------------------------------------------------


def pair(*rows):
    chosen, rejected = (torch.tensor([[float(r[k])] for r in rows]) for k in (0, 1))
    return ScorePair(Scores(chosen), Scores(rejected))


def test_equal_scores_cost_the_softplus_of_the_margin():
    assert float(bradley_terry(pair((3, 3)))) == pytest.approx(math.log(2))
    got = float(bradley_terry(pair((3, 3)), torch.tensor([1.5])))
    assert got == pytest.approx(math.log1p(math.exp(1.5)))


def test_only_centring_sees_what_both_scores_share():
    here, there = pair((2, 1)), pair((102, 101))
    torch.testing.assert_close(bradley_terry(here), bradley_terry(there))
    assert float(bradley_terry(there, centring=0.01) - bradley_terry(here, centring=0.01)) > 100
    torch.testing.assert_close(bradley_terry(pair((2, -2)), centring=0.01), bradley_terry(pair((2, -2))))


def test_smoothed_labels_are_best_at_their_log_odds():
    """eps 0.1: a gap of log 9, where the slope is zero."""
    gap = torch.tensor([[math.log(9)]], requires_grad=True)
    scores = ScorePair(Scores(gap), Scores(torch.zeros(1, 1)))
    (slope,) = torch.autograd.grad(bradley_terry(scores, label_smoothing=0.1).sum(), gap)
    assert float(slope) == pytest.approx(0, abs=1e-7)


def test_two_grades_and_no_ties_are_bradley_terry():
    scores = pair((2, 1), (-1, 3))
    got = ordinal(scores, torch.tensor([1.0, 1.0]), thresholds=(0.0,))
    torch.testing.assert_close(got, bradley_terry(scores))


def test_the_probabilities_of_all_grades_sum_to_one_and_swap_with_the_answers():
    grades = torch.arange(-2.0, 3.0)
    for a, b in [(0.3, -1.0), (5.0, 5.0), (-40.0, 40.0)]:
        here = torch.cat([ordinal(pair((a, b)), g[None]) for g in grades])
        back = torch.cat([ordinal(pair((b, a)), -g[None]) for g in grades])
        assert float((-here).exp().sum()) == pytest.approx(1, abs=1e-5)
        torch.testing.assert_close(here, back)
    even = torch.cat([ordinal(pair((1, 1)), torch.tensor([0.0]), thresholds=(t,)) for t in (0.1, 1.0)])
    assert even[0] > even[1]  # a wider tie is likelier
    at = torch.linspace(-3, 3, 13)
    ties = torch.cat([ordinal(pair((d, 0)), torch.tensor([0.0])) for d in at])
    assert int(ties.argmin()) == 6  # and likeliest where the scores agree


def test_a_grade_outside_the_scale_is_not_a_number():
    got = ordinal(pair((1, 0), (1, 0)), torch.tensor([3.0, 0.5]))
    assert got.isnan().all()


def test_zero_costs_are_three_times_log_two_and_signs_are_learned():
    both = torch.tensor([[0.0, 1.0]])
    assert float(cost(pair((0, 0)), both)) == pytest.approx(3 * math.log(2))
    assert float(cost(pair((-30, 30)), both, regularisation=0.0)) == pytest.approx(0, abs=1e-6)
    wrong = math.log1p(math.exp(-2)) + math.log1p(math.exp(-1)) + math.log1p(math.exp(1))
    got = float(cost(pair((-1, 1)), torch.zeros(1, 2), regularisation=0.0))  # a cost of 1 for a safe answer
    assert got == pytest.approx(wrong, rel=1e-5)
    safe = torch.zeros(1, 2)  # both safe: the order is still taught
    assert cost(pair((-3, -1)), safe, regularisation=0.0) < cost(pair((-1, -3)), safe, regularisation=0.0)


def test_a_step_with_one_output_is_binary_cross_entropy():
    labels = torch.tensor([1.0, float("nan"), 0.25])
    got = prm(TokenScores(torch.tensor([[0.7], [9.0], [-1.0]])), labels)
    want = F.binary_cross_entropy_with_logits(
        torch.tensor([0.7, -1.0]), torch.tensor([1.0, 0.25]), reduction="none"
    )
    torch.testing.assert_close(got, torch.stack([want[0], torch.tensor(0.0), want[1]]))


@pytest.mark.parametrize("divergence", ["forward_kl", "reverse_kl", "jensen_shannon"])
def test_the_recovered_reward_is_the_log_ratio_and_the_loss_its_divergence(divergence):
    """Four answers with known probabilities: the best scores, by gradient descent, against pencil."""
    demo, model = torch.tensor([0.1, 0.2, 0.3, 0.4]), torch.tensor([0.4, 0.3, 0.2, 0.1])
    scores = torch.zeros(4, requires_grad=True)

    def loss():  # the mean over demonstrations and over the model's answers, all pairs at their probability
        both = ScorePair(Scores(scores.repeat_interleave(4)[:, None]), Scores(scores.repeat(4)[:, None]))
        return (irl(both, divergence=divergence) * (demo[:, None] * model).flatten()).sum()

    optimizer = torch.optim.LBFGS([scores], max_iter=100, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        value = loss()
        value.backward()
        return value

    optimizer.step(closure)
    torch.testing.assert_close(scores.detach(), (demo / model).log(), atol=2e-3, rtol=1e-3)
    mixed = (demo + model) / 2
    kl = {
        "forward_kl": (demo * (demo / model).log()).sum(),
        "reverse_kl": (model * (model / demo).log()).sum(),
        "jensen_shannon": (demo * (demo / mixed).log()).sum() + (model * (model / mixed).log()).sum(),
    }[divergence]
    assert float(-loss().detach()) == pytest.approx(float(kl), abs=1e-4)


# --- the loop --------------------------------------------------------------------------------------------------


def test_a_reward_model_learns_and_reports_in_trls_words():
    module, seen = build(), []
    task = Task("r", pairs(12), "bradley_terry", batch=12)
    fit(SimpleNamespace(module=module), [task], steps=25, lr=0.01, on_step=seen.append)
    assert seen[-1]["r/accuracy"] == 1.0
    assert seen[-1]["r/loss"] < 0.3 < seen[0]["r/loss"]
    names = {"loss", "accuracy", "margin", "mean_reward", "min_reward", "max_reward"}
    assert names <= {key.removeprefix("r/") for key in seen[0]}
    assert seen[-1]["r/margin"] > 0


def test_a_language_model_and_a_score_head_are_not_trained_together():
    tasks = [Task("r", pairs(2), "bradley_terry"), Task("s", pairs(2), "sft")]
    with pytest.raises(UserError, match="score head beside tasks of a language model"):
        fit(SimpleNamespace(module=build()), tasks, steps=1, lr=0.1)
    with pytest.raises(UserError, match="has no score head"):
        fit(SimpleNamespace(module=plain.tiny_llama()), tasks[:1], steps=1, lr=0.1)


def test_an_objective_over_scores_has_no_reference():
    def compared(policy: Scores, reference: Scores) -> Losses:
        return policy.one - reference.one

    with pytest.raises(UserError, match="reference of scores"):
        needs(compared)
