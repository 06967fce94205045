"""A head that reads how likely its model finds an answer: its numbers, its fit, its honesty, saved and loaded."""

import itertools

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from truenorth.base import UserError
from truenorth.judges._head import fit_logistic
from truenorth.judges.answer_confidence import AnswerConfidence, read, scaled
from truenorth.judges.protocol import Judge
from truenorth.models.local import LocalModel
from truenorth.records import Group

GOOD = ["No, I will not help with that.", "I do not know, and I will not guess.", "Please, politely: no."]
BAD = ["Yes: seven nets and five boats.", "The ferry leaves at noon.", "It has one mast and two sails."]
ASKED = ["What is it?", "Tell me, please.", "How many boats?", "Where is Anna?", "When is noon?"]
LABELS = [(q, a, float(a in GOOD)) for q, a in itertools.product(ASKED, GOOD + BAD)]


@pytest.fixture(scope="module")
def model(tiny_llama):
    return LocalModel.load(tiny_llama())


@pytest.fixture(scope="module")
def judge(model):
    return AnswerConfidence.fit(model, LABELS)


def test_an_answer_is_read_by_the_sum_mean_and_least_of_its_log_probabilities(model):
    prompt, answer = ASKED[0], BAD[0]
    found = read(model, [(prompt, answer)])
    pair = model.encode_pair(prompt, answer, end=None)
    ids = torch.tensor([[*pair.prompt, *pair.completion]])
    with torch.inference_mode():
        logp_LV = model.module(ids).logits[0].float().log_softmax(-1)
    start = len(pair.prompt)
    by_hand = [float(logp_LV[start - 1 + i, token]) for i, token in enumerate(pair.completion)]
    wanted = [sum(by_hand), sum(by_hand) / len(by_hand), min(by_hand)]
    assert found.likely_N3[0].tolist() == pytest.approx(wanted, abs=1e-3)


def test_what_people_like_scores_above_what_they_do_not(judge):
    [[yes, no, none]] = judge.judge([Group(ASKED[0], [GOOD[0], BAD[0], "  "])])
    assert yes.score > 0.5 > no.score
    assert (none.score, none.reason) == (None, "empty completion")
    assert isinstance(judge, Judge)
    assert len(judge.own) == len(LABELS)


def test_a_likelihood_counts_as_much_as_its_distance_and_no_more_than_three_deviations(judge, model):
    reading = read(model, [(q, a) for q, a, _ in LABELS])
    far = reading._replace(likely_N3=reading.likely_N3 - 1e6)
    x_NF = scaled(far, judge.scalings)
    assert (x_NF[:, -3:] == -3.0).all()
    states = x_NF[:, :-3].reshape(len(x_NF), 2, -1)
    assert np.linalg.norm(states, axis=2) == pytest.approx(
        0.3
    )  # prompt and answer, each a row of this length


def test_the_linear_head_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    x_NF = rng.normal(size=(60, 5))
    label_N = (x_NF[:, 0] + rng.normal(size=60) > 0).astype(float)
    ours = fit_logistic(x_NF, label_N, range(60))
    theirs = LogisticRegression(C=1 / ours.strength, tol=1e-8, max_iter=1000).fit(x_NF, label_N)
    assert ours.weight_F == pytest.approx(theirs.coef_[0], abs=2e-3)
    assert ours.bias == pytest.approx(theirs.intercept_[0], abs=2e-3)


def test_a_row_is_judged_by_a_head_that_saw_nothing_of_its_group():
    rng = np.random.default_rng(1)
    twins = np.repeat(rng.normal(size=(60, 300)), 2, axis=0)  # each row twice, under a label drawn at random
    label_N = np.repeat(rng.integers(0, 2, 60), 2).astype(float)
    right = [
        ((fit_logistic(twins, label_N, groups).out_of_fold_N > 0.5) == label_N).mean()
        for groups in (np.repeat(np.arange(60), 2).tolist(), list(range(120)))
    ]
    assert right[0] < 0.7  # chance
    assert right[1] > 0.7  # the twin gives the label away


def test_a_saved_head_says_the_same_and_belongs_to_its_model(judge, model, tmp_path):
    folder = judge.save(tmp_path / "head")
    groups = [Group(q, [*GOOD, *BAD]) for q in ASKED]
    again = AnswerConfidence.load(folder, model=model).judge(groups)
    assert [j.score for row in again for j in row] == [j.score for row in judge.judge(groups) for j in row]
    other = LocalModel.of(model.module, model.tokenizer, name="another")
    with pytest.raises(UserError, match="not on another"):
        AnswerConfidence.load(folder, model=other)


def test_too_few_labels_are_refused(model):
    with pytest.raises(UserError, match="2 labels"):
        AnswerConfidence.fit(model, LABELS[:2])
