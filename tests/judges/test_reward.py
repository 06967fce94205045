"""A reward head on frozen states: fitted, honest about itself, saved and loaded."""

import itertools

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from truenorth.base import UserError, write_jsonl
from truenorth.judges._features import Pooler
from truenorth.judges._head import Features, auc, deal, fit_head, logistic, platt, scaling, spanned
from truenorth.judges.audit import read_labelled
from truenorth.judges.classifier import ClassifierJudge
from truenorth.judges.protocol import Judge
from truenorth.judges.reward import RewardJudge, read_labels
from truenorth.models.local import LocalModel
from truenorth.records import Group

GOOD = ["No, I will not help with that.", "I do not know, and I will not guess.", "Please, politely: no."]
BAD = [
    "Yes: seven nets and five boats.",
    "The ferry leaves at noon, always.",
    "It has one mast and two sails.",
]
ASKED = ["What is it?", "Tell me, please.", "How many boats?", "Where is Anna?", "When is noon?"]
LABELS = [
    *[(q, a, 1.0) for q, a in itertools.product(ASKED, GOOD)],
    *[(q, a, 0.0) for q, a in itertools.product(ASKED, BAD)],
]


@pytest.fixture(scope="module")
def model(tiny_llama):
    return LocalModel.load(tiny_llama())


@pytest.fixture(scope="module")
def judge(model):
    return RewardJudge.fit(model, LABELS)


def test_what_people_like_scores_above_what_they_do_not(judge):
    [[yes, no, none]] = judge.judge([Group(ASKED[0], [GOOD[0], BAD[0], "  "])])
    assert yes.score > 0.5 > no.score
    assert (none.score, none.reason) == (None, "empty completion")
    assert judge.out_of_fold.accuracy.mean > 0.9
    assert judge.out_of_fold.auc.mean > 0.95
    assert isinstance(judge, Judge)


def test_random_labels_are_seen_through():
    rng = np.random.default_rng(0)
    features = Features(rng.normal(size=(80, 50)), rng.normal(size=(80, 50)))
    labels = rng.integers(0, 2, 80).astype(float)
    fit = fit_head(features, labels, range(80))
    assert 0.3 < auc(fit.out_of_fold_N, labels > 0) < 0.7  # three standard errors of an AUC of 0.5
    assert np.abs(fit.out_of_fold_N - 0.5).mean() < 0.2  # and it does not pretend to know


def test_the_same_answer_is_right_to_one_prompt_and_wrong_to_another():
    rng = np.random.default_rng(1)
    prompt, answer = rng.normal(size=(200, 3)), rng.normal(size=(200, 3))
    labels = (prompt[:, 0] * answer[:, 0] > 0).astype(float)  # neither side alone says anything
    fit = fit_head(Features(prompt, answer), labels, range(200))
    assert auc(fit.out_of_fold_N, labels > 0) > 0.9
    alone = fit_head(Features(np.zeros((200, 3)), answer), labels, range(200))
    assert auc(alone.out_of_fold_N, labels > 0) < 0.7


def test_scores_do_not_depend_on_what_else_is_judged(judge):
    texts = [*GOOD, *BAD, "No."]
    together = [j.score for j in judge.judge([Group("What is it?", texts), Group("Why?", texts[:2])])[0]]
    alone = [judge.judge([Group("What is it?", [t])])[0][0].score for t in texts]
    assert together == pytest.approx(alone, abs=1e-5)
    assert judge.judge([]) == []
    assert judge.judge([Group("What?", [])]) == [[]]


@pytest.mark.parametrize(("architecture", "template"), [("llama", "chatml"), ("gpt2", "none")])
def test_features_are_the_states_of_the_plain_model(tiny_llama, architecture, template):
    import torch

    model = LocalModel.load(tiny_llama(architecture=architecture, template=template))
    prompt, answers = [{"role": "user", "content": "What is it?"}], ["Yes.", "No, it is not."]
    found = Pooler(model, depths=(0.5, 1.0)).features([(prompt, answers)])
    for i, answer in enumerate(answers):
        p, c = model.encode_pair(prompt, answer, end=True)
        with torch.no_grad():
            states = model.module(torch.tensor([p + c]), output_hidden_states=True).hidden_states
        two = [states[k][0] for k in (1, 2)]  # two layers: depth 0.5 is layer 1
        before = torch.cat([s[len(p) - 1] for s in two])
        along = torch.cat([s[len(p) : len(p) + len(c) - 1].mean(0) for s in two])
        np.testing.assert_allclose(found.prompt_NP[i], before.numpy(), atol=1e-4)
        np.testing.assert_allclose(found.answer_NA[i], along.numpy(), atol=1e-4)


def test_padded_features_equal_packed_ones(model):
    groups = [("Why?", ["Yes.", "No, it is not."]), ("What is it, please?", ["A boat."])]
    pooler = Pooler(model)
    packed = pooler.features(groups)
    assert pooler.forward.path == "packed"
    pooler.forward = type(pooler.forward)(pooler.forward.module, "padded")
    for found, expected in zip(pooler.features(groups), packed, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-4)
    turned = pooler.features(groups[::-1]).rows(np.array([1, 2, 0]))
    np.testing.assert_allclose(turned.answer_NA, packed.answer_NA, atol=1e-4)


def test_a_saved_head_says_the_same(judge, model, tmp_path):
    judge.save(tmp_path)
    loaded = RewardJudge.load(tmp_path, model=model)
    groups = [Group("What is it?", [*GOOD, *BAD])]
    assert loaded.judge(groups) == judge.judge(groups)
    assert loaded.name == judge.name
    assert loaded.out_of_fold.accuracy == judge.out_of_fold.accuracy


def test_a_head_does_not_go_on_another_model(judge, tiny_llama, tmp_path):
    judge.save(tmp_path)
    with pytest.raises(UserError, match="the head was fitted on"):
        RewardJudge.load(tmp_path, model=LocalModel.load(tiny_llama(seed=1)))


def test_within_the_band_there_is_no_answer(model):
    unsure = RewardJudge.fit(model, LABELS, abstain=0.4999)
    [[one]] = unsure.judge([Group("Why?", ["The island is naïve."])])
    assert one.score is None
    assert one.reason.startswith("unsure: 0.")


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (LABELS[:4], "4 labels, 4 of them good"),
        (LABELS[:15], "15 labels, 15 of them good"),
        ([*LABELS, ("Why?", "x", 2.0)], "row 30: score 2.0"),
        ([*LABELS, ("Why?", " ", 1.0)], "row 30: an empty answer"),
    ],
)
def test_labels_that_teach_nothing_are_refused(model, labels, message):
    with pytest.raises(UserError, match=message):
        RewardJudge.fit(model, labels)


def test_labels_are_read_in_trl_shape(tmp_path):
    rows = [
        {"prompt": "Why?", "completion": "So.", "label": True, "principle": "kind"},
        {
            "prompt": [{"role": "user", "content": "Why?"}],
            "completion": [{"role": "assistant", "content": "No."}],
            "label": False,
        },
        {"prompt": "Why?", "completion": "Hm.", "label": 0.5, "principle": "brief"},
    ]
    path = tmp_path / "labels.jsonl"
    write_jsonl(path, rows)
    assert [(a, s) for _, a, s in read_labels(path)] == [("So.", 1.0), ("No.", 0.0), ("Hm.", 0.5)]
    assert [a for _, a, _ in read_labels(path, principle="kind")] == ["So.", "No."]
    write_jsonl(path, [{"prompt": "Why?", "answer": "So."}])
    with pytest.raises(UserError, match="row 1: no completion, label"):
        read_labels(path)


def test_labels_may_be_a_spreadsheet(tmp_path):
    (tmp_path / "labels.csv").write_text(
        "prompt,completion,label,principle\nWhy?,So.,yes,kind\nWhy?,No.,0,\nWhy?,Hm.,0.5,brief\n"
    )
    assert [(a, s) for _, a, s in read_labels(tmp_path / "labels.csv")] == [
        ("So.", 1.0),
        ("No.", 0.0),
        ("Hm.", 0.5),
    ]
    assert [a for _, a, _ in read_labels(tmp_path / "labels.csv", principle="kind")] == ["So.", "No."]


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"label": "good"}, "label 'good'; expected true, false, or a score"),
        ({"label": None}, "label None; expected true"),
        ({"label": float("nan")}, "label nan; expected true"),
        ({"label": 2}, "label 2; expected true"),
        ({"completion": None}, "answer 'None'; expected text, or messages"),
        ({"completion": [{"role": "assistant"}]}, "answer .*; expected text, or messages"),
        ({"prompt": 5}, "prompt '5'; expected text, or messages"),
    ],
)
def test_a_label_that_says_nothing_is_refused_with_its_row(tmp_path, changed, says):
    write_jsonl(tmp_path / "labels.jsonl", [{"prompt": "Why?", "completion": "So.", "label": True} | changed])
    for read in (read_labels, read_labelled):
        with pytest.raises(UserError, match="row 1: " + says):
            read(tmp_path / "labels.jsonl")


def test_the_logistic_fit_is_scikit_learns():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(60, 5))
    y = (x[:, 0] + rng.normal(size=60) > 0).astype(float)
    weight, bias = logistic(x, y, 10.0)
    peer = LogisticRegression(C=0.1, tol=1e-10).fit(x, y)
    np.testing.assert_allclose(weight, peer.coef_[0], atol=1e-4)
    assert bias == pytest.approx(peer.intercept_[0], abs=1e-4)


def test_scaled_rows_have_length_one_and_what_never_varies_does_not_count():
    """Columns 0, 2, 4 (mean 2, spread 1.63) and 7, 7, 7: rows -1.22 and 1.22 become -1 and 1, the mean stays 0."""
    x_ND = np.array([[0.0, 7.0], [2.0, 7.0], [4.0, 7.0]])
    assert scaling(x_ND)(x_ND) == pytest.approx(np.array([[-1.0, 0.0], [0.0, 0.0], [1.0, 0.0]]))
    assert scaling(x_ND)(np.array([[2.1, 7.0]])) == pytest.approx(np.array([[1.0, 0.0]]))  # however near


def test_fitting_in_the_spanned_space_is_fitting_in_the_whole():
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(20, 50)), rng.integers(0, 2, 20).astype(float)
    whole, bias = logistic(x, y, 3.0)
    small, back = spanned(x @ x.T)
    weight, other = logistic(small, y, 3.0)
    np.testing.assert_allclose(x.T @ (back @ weight), whole, atol=1e-4)
    assert other == pytest.approx(bias, abs=1e-4)


def test_auc_is_scikit_learns():
    scores, truth = [0.1, 0.4, 0.4, 0.8, 0.9, 0.2], [0, 0, 1, 1, 0, 1]
    assert auc(scores, truth) == pytest.approx(roc_auc_score(truth, scores))
    assert np.isnan(auc([0.1, 0.2], [1, 1]))


def test_calibration_mends_overconfidence_and_never_turns_a_score_round():
    rng = np.random.default_rng(3)
    z = rng.normal(size=4000)
    y = (rng.random(4000) < 1 / (1 + np.exp(-z))).astype(float)
    scale, shift = platt(5 * z, y)  # five times too sure
    assert (scale, shift) == (pytest.approx(0.2, abs=0.02), pytest.approx(0.0, abs=0.1))
    assert platt(-z, y)[0] == 0.0


def test_groups_stay_in_one_fold_and_labels_are_balanced():
    groups = [f"g{i // 2}" for i in range(40)]
    labels = np.array([float(i // 2 % 2) for i in range(40)])
    folds = deal(labels, groups, folds=5, seed=0)
    assert all(folds[i] == folds[i + 1] for i in range(0, 40, 2))
    assert [labels[folds == k].mean() for k in range(5)] == [0.5] * 5
    order = np.random.default_rng(0).permutation(40)
    again = deal(labels[order], [groups[i] for i in order], folds=5, seed=0)
    assert (again == folds[order]).all()


@pytest.fixture(scope="module", params=[1, 2])
def classifier(request, tiny_llama, tmp_path_factory):
    """A tiny sequence classifier with one output, or with two labels."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder = tmp_path_factory.mktemp("classifier")
    source = tiny_llama()
    labels = (
        {"id2label": {0: "BAD", 1: "GOOD"}, "label2id": {"BAD": 0, "GOOD": 1}} if request.param == 2 else {}
    )
    module = AutoModelForSequenceClassification.from_pretrained(source, num_labels=request.param, **labels)
    module.config.pad_token_id = 2
    module.save_pretrained(folder)
    AutoTokenizer.from_pretrained(source).save_pretrained(folder)
    return folder


@pytest.mark.filterwarnings("ignore:.*newly initialized.*")
def test_any_sequence_classifier_is_a_judge(classifier):
    import torch

    judge = RewardJudge.load(classifier)
    texts = ["Yes.", "No, it is not, and the ferry leaves at noon.", ""]
    [[one, two, none]] = judge.judge([Group("Why?", texts)])
    assert none.score is None
    ids = judge.tokenizer.apply_chat_template(
        [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": texts[0]}], return_tensors="pt"
    )["input_ids"]
    with torch.no_grad():
        logits = judge.module(ids).logits[0]
    expected = logits.sigmoid()[0] if len(logits) == 1 else logits.softmax(-1)[1]
    assert one.score == pytest.approx(expected.item(), abs=1e-5)
    assert two.score == pytest.approx(judge.judge([Group("Why?", texts[1:2])])[0][0].score, abs=1e-5)


def test_a_label_that_is_not_there_is_named(classifier):
    with pytest.raises(UserError, match="no label 'kind'"):
        ClassifierJudge.load(classifier, label="kind")


def test_a_language_model_is_not_taken_for_a_classifier(tiny_llama, tmp_path):
    with pytest.raises(UserError, match="holds LlamaForCausalLM"):
        RewardJudge.load(tiny_llama())
    with pytest.raises(UserError, match="cannot load"):
        RewardJudge.load(tmp_path)
