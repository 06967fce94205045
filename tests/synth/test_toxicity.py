"""The toxicity pre-filter: two views, two stages, a threshold on unseen labels; and the schemes of labels."""

import gzip
import json

import numpy as np
import pytest

from truenorth.base import UserError
from truenorth.synth.toxicity import olid, perspective, threshold, two_stage

RUDE, KIND = "you are a stupid worthless {} and i hate you", "thank you for the lovely {} , it helped me"
THINGS = [f"thing{i}" for i in range(200)]


def made(n, seed):
    rng = np.random.default_rng(seed)
    rude = rng.random(n) < 0.4
    return [(RUDE if r else KIND).format(rng.choice(THINGS)) for r in rude], rude.tolist()


def test_two_stages_learn_from_texts_without_labels():
    texts, labels = made(200, 0)
    unlabelled, _ = made(600, 1)
    found = two_stage(texts, labels, unlabelled)
    toxic, other = found.learned
    assert toxic > 100
    assert other > 100
    assert found.threshold.recall.mean >= 0.9
    assert found.threshold.alarms.mean == 0
    fresh, rude = made(100, 2)
    flagged = [reason == "toxic" for reason in found.flagged(iter(fresh))]
    assert not any(flag and not r for flag, r in zip(flagged, rude))
    assert sum(flagged) >= 0.75 * sum(rude)  # 0.9 was asked for; of about 40
    assert two_stage(texts, labels).learned == (0, 0)


def test_the_threshold_is_the_highest_with_the_recall_asked_for():
    scores, labels = (
        np.array([0.9, 0.8, 0.6, 0.4, 0.7, 0.1]),
        np.array([True, True, True, True, False, False]),
    )
    found = threshold(scores, labels, recall=0.75)  # three of four: 0.6; one of two others is above
    assert (found.at, found.recall.mean, found.alarms.mean) == (0.6, 0.75, 0.5)
    assert threshold(scores, labels, recall=0.76).at == 0.4


def test_labels_of_one_kind_are_refused():
    with pytest.raises(UserError, match="0 toxic and 70 other texts"):
        two_stage(["fine"] * 100, [False] * 100)
    with pytest.raises(UserError, match=r"sure in \(0.5, 1\)"):
        two_stage(["fine"], [False], sure=0.4)


def test_levels_of_olid_depend_on_one_another():
    assert olid("NOT") == {"TOXICITY": False, "INSULT": False, "IDENTITY_ATTACK": False}
    assert olid("OFF") == {"TOXICITY": True, "INSULT": None, "IDENTITY_ATTACK": None}
    assert olid("OFF", "UNT") == {"TOXICITY": True, "INSULT": False, "IDENTITY_ATTACK": False}
    assert olid("OFF", "TIN", "IND") == {"TOXICITY": True, "INSULT": True, "IDENTITY_ATTACK": False}
    assert set(olid(None).values()) == {None}
    for wrong in (("NOT", "TIN"), ("OFF", "UNT", "GRP"), ("off",), (None, "TIN")):
        with pytest.raises(UserError, match="OLID"):
            olid(*wrong)


def test_a_missing_score_of_perspective_stays_missing():
    assert perspective({"TOXICITY": 0.5, "THREAT": None, "INSULT": 0.0}) == {
        "TOXICITY": True,
        "THREAT": None,
        "INSULT": False,
    }
    with pytest.raises(UserError, match="unknown attribute 'RUDE'"):
        perspective({"RUDE": 1.0})
    with pytest.raises(UserError, match="TOXICITY 50"):
        perspective({"TOXICITY": 50})


def test_prompts_of_real_users_are_ranked_far_above_chance(shared):
    from sklearn.metrics import average_precision_score

    def read(name, most):
        with gzip.open(shared / f"data/toxic_chat/{name}.jsonl.gz", "rt", encoding="utf-8") as file:
            rows = [json.loads(line) for line in file][:most]
        return [row["user_input"][:1000] for row in rows], [bool(row["toxicity"]) for row in rows]

    texts, labels = read("train", 900)
    found = two_stage(texts, labels, read("train", 1900)[0][900:])
    tests, truth = read("test", 1000)
    scores = found.scores(tests)
    precision = average_precision_score(truth, scores)
    assert precision > 2.5 * np.mean(truth)  # chance has their share
    views = found.views.probabilities(tests)
    assert precision > min(average_precision_score(truth, view) for view in views)
