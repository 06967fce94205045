"""A judge fitted on labelled sentences: what it learns, how it reads an answer, and what it refuses."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from truenorth.base import UserError
from truenorth.judges._head import logistic
from truenorth.judges.protocol import Judge
from truenorth.judges.text_classifier import TextClassifierJudge, presence, vocabulary
from truenorth.records import Group

GOOD = [f"a good day for the {w}" for w in "ferry boat net mast sail harbour market".split()] * 5
BAD = [f"a bad day for the {w}" for w in "ferry boat net mast sail harbour market".split()] * 5


def fitted(of="mean"):
    labels = [True] * len(GOOD) + [False] * len(BAD)
    return TextClassifierJudge.fit(GOOD + BAD, labels, of=of)


def test_it_is_a_judge_and_tells_what_it_was_shown():
    judge = fitted()
    assert isinstance(judge, Judge)
    assert judge.accuracy.mean == 1.0
    [[good, bad, empty]] = judge.judge([Group("", ["a good sail", "a bad sail", "..."])])
    assert good.score > 0.8 > 0.2 > bad.score
    assert empty.score is None


def test_an_answer_is_read_a_sentence_at_a_time():
    text = "A bad day. A good day. A good day."
    p_bad, p_good = fitted().probability(["A bad day.", "A good day."])
    found = [fitted(of).judge([Group("", [text])])[0][0] for of in ("mean", "lowest", "last")]
    assert [j.score for j in found] == pytest.approx([(p_bad + 2 * p_good) / 3, p_bad, p_good])
    assert [j.reason for j in found] == ["", "lowest at 'A bad day.'", ""]


def test_the_fit_is_that_of_scikit_learn():
    from sklearn.linear_model import LogisticRegression

    texts = [" ".join(np.random.default_rng(i).choice(list("abcdefgh"), 4)) for i in range(120)]
    labels = np.array([float("a" in t.split() or "b" in t.split()) for t in texts])
    x_NF = presence(texts, vocabulary(texts))
    weight_F, bias = logistic(x_NF, labels, 2.0)
    theirs = LogisticRegression(C=0.5, max_iter=2000, tol=1e-10).fit(x_NF, labels)
    np.testing.assert_allclose(weight_F, theirs.coef_[0], atol=2e-3)
    assert bias == pytest.approx(theirs.intercept_[0], abs=2e-3)


def test_accuracy_is_of_texts_it_was_not_fitted_on():
    """Labels by a coin: a fit on all texts would tell its own training texts, which here repeat no words."""
    rng = np.random.default_rng(0)
    texts = [" ".join(f"w{n}" for n in rng.integers(0, 60, 6)) for _ in range(200)]
    judge = TextClassifierJudge.fit(texts, (rng.random(200) < 0.5).tolist())
    assert 0.35 < judge.accuracy.mean < 0.65


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "0 labelled texts"),
        ('{"text": "a", "label": 1}\n{"text": "b"}\n', "row 2: no text or no label"),
        ('{"text": "a", "label": "good"}\n', "row 1: no text or no label"),
        ("{\n", "line 1: not JSON"),
        ('{"text": "a", "label": 1}\n' * 60, "60 labelled texts, 60 of them positive"),
    ],
)
def test_files_it_cannot_learn_from_are_refused(tmp_path: Path, content: str, says: str):
    (tmp_path / "texts.jsonl").write_text(content)
    with pytest.raises(UserError, match=says):
        TextClassifierJudge.load(tmp_path / "texts.jsonl")


def test_a_missing_file_and_an_unknown_reading_are_refused(tmp_path: Path):
    with pytest.raises(UserError, match="no such file"):
        TextClassifierJudge.load(tmp_path / "nowhere.jsonl.gz")
    with pytest.raises(UserError, match="mean, lowest, last"):
        TextClassifierJudge.load(tmp_path / "nowhere.jsonl", of="best")


def test_gzipped_files_are_read(tmp_path: Path):
    rows = [{"text": t, "label": 1} for t in GOOD] + [{"text": t, "label": 0} for t in BAD]
    path = tmp_path / "texts.jsonl.gz"
    path.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode()))
    judge = TextClassifierJudge.load(path, of="last")
    assert judge.labels == 70
    assert judge.name == "classifier:texts.jsonl.gz?of=last"


def test_on_published_sentences_it_is_right_three_times_of_four(shared: Path):
    """Pang and Lee (2005) report 76 to 78 % for bags of words on these sentences (naive Bayes and SVM)."""
    judge = TextClassifierJudge.load(shared / "data" / "sentence_polarity" / "sentence_polarity.jsonl.gz")
    assert 0.75 < judge.accuracy.mean < 0.80
