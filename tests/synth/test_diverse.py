"""Vectors, the few that stand for many, and the rows that say most together."""

import itertools

import numpy as np
import pytest

from truenorth.base import UserError
from truenorth.synth.diverse import k_centre, unlike
from truenorth.synth.embed import hidden, ngrams
from truenorth.synth.information import most_information, soft_labels, spanning


def plain_k_centre(x, k, start):
    """Every row against every pick, differences first, in float64."""
    x, centres, picks = x.astype(np.float64), list(start), []
    while len(picks) < k:
        far = np.min([((x - x[c]) ** 2).sum(1) for c in centres], axis=0)
        far[centres] = -1
        picks.append(int(far.argmax()))
        centres.append(picks[-1])
    return picks


def clouds(kind, n=6000, d=24, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d))
    if kind == "clusters":
        x = 0.1 * x + rng.normal(size=(40, d))[rng.integers(0, 40, n)]
    if kind == "grid":  # many equal distances, and many equal rows
        x = rng.integers(0, 3, size=(n, 4)).astype(float)
    if kind == "far away":  # float32 sums lose most digits
        x = x + 100.0
    return x.astype(np.float32)


@pytest.mark.parametrize("kind", ["one cloud", "clusters", "grid", "far away"])
@pytest.mark.parametrize("start", [[0], [5, 17, 4001]])
def test_k_centre_picks_what_comparing_everything_picks(kind, start):
    x = clouds(kind)
    k = 20 if kind == "grid" else 60
    assert k_centre(x, k, start=start).picks == plain_k_centre(x, k, start)


def test_k_centre_on_paper():
    x = np.array([[0.0], [1.0], [2.0], [10.0], [6.5]])
    # mean 3.9: row 2 (at 2) is nearest; farthest from 2 is 10 (8 away), then 6.5 (3.5 from 10), then 0 (2 from 2)
    assert k_centre(x, 4) == ([2, 3, 4, 0], [np.inf, 8.0, 3.5, 2.0])
    assert k_centre(x, 5, start=[]).radius[-1] == 1.0
    assert k_centre(x, 0).picks == []
    assert k_centre(np.array([[0], [1], [2], [10], [6]]), 2).picks == [2, 3]  # whole numbers too
    twins = np.zeros((3, 2))
    assert k_centre(twins, 3).picks == [0, 1, 2]  # equal rows: the first, each once
    assert k_centre(twins, 3).radius == [np.inf, 0.0, 0.0]


def test_k_centre_covers_what_it_says():
    x = clouds("clusters", n=2000)
    found = k_centre(x, 40)
    assert all(a >= b for a, b in itertools.pairwise(found.radius))
    gap = np.linalg.norm(x[:, None] - x[None, found.picks], axis=2).min(1)
    assert gap.max() <= found.radius[-1]
    assert found.picks[:10] == k_centre(x, 10).picks


@pytest.mark.parametrize(
    ("x", "k", "start", "what"),
    [
        (np.zeros((3, 2)), 4, [], "k 4; expected 0 to 3"),
        (np.zeros((3, 2)), 3, [0], "k 3; expected 0 to 2"),
        (np.full((3, 2), np.nan), 1, [], "not a finite table"),
        (np.zeros((3, 2)), 1, [3], "start names rows"),
    ],
)
def test_k_centre_refuses_what_makes_no_sense(x, k, start, what):
    with pytest.raises(UserError, match=what):
        k_centre(x, k, start=start)


def plain_unlike(x, most, limit=None):
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    picks = []
    for i in range(len(x)):
        if all(float(x[i] @ x[j]) <= most for j in picks):
            picks.append(i)
        if len(picks) == limit:
            break
    return picks


def test_unlike_keeps_what_one_by_one_keeps():
    x = clouds("clusters", n=9000, d=8).astype(np.float64)
    for most in (0.5, 0.95):
        picks = unlike(x, most=most)
        assert picks == plain_unlike(x, most)
        assert unlike(x, most=most, limit=7) == picks[:7]
    assert len(unlike(np.eye(5), most=0.9)) == 5
    assert unlike(np.ones((5, 3)), most=0.9) == [0]
    assert unlike(np.eye(3), limit=0) == []


def test_ngram_vectors_are_near_for_texts_that_are():
    texts = [
        "Where does Ann Grey live?",
        "where does Ann Gray LIVE",
        "Bake bread with rye flour.",
        "",
        "漁港の朝は早い",
        "漁港の朝は遅い",
    ]
    x = ngrams(texts)
    assert x.shape == (6, 384)
    assert x.dtype == np.float32
    like = x @ x.T
    assert like[0, 1] > 0.7 > 0.3 > abs(like[0, 2])
    assert like[4, 5] > 0.6
    assert (x[3] == 0).all()
    np.testing.assert_allclose(np.diag(like)[[0, 1, 2, 4, 5]], 1, rtol=1e-5)
    np.testing.assert_array_equal(ngrams(texts[4:5]), x[4:5])  # alone or in company
    assert ngrams([]).shape == (0, 384)


def test_hidden_vectors_do_not_depend_on_the_batch(tiny_llama):
    from truenorth.models import LocalModel

    model = LocalModel.load(tiny_llama())
    texts = [
        "The ferry leaves at noon.",
        "No.",
        "The harbour opens at nine and the ferry leaves at noon.",
        "No.",
    ]
    x = hidden(model)(texts)
    assert x.shape == (4, 32)
    np.testing.assert_allclose(np.linalg.norm(x, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(hidden(model, batch=1)(texts), x, atol=1e-5)
    np.testing.assert_array_equal(x[1], x[3])


def best_of_all(x, k, power):
    return max((np.sum(x[list(c)].sum(0) ** power), c) for c in itertools.combinations(range(len(x)), k))


def test_information_on_paper():
    # two labels. rows: (4, 0), (4, 0), (1, 1); square roots
    labels = np.array([[4.0, 0.0], [4.0, 0.0], [1.0, 1.0]])
    # first: sqrt 4 = 2 = sqrt 1 + sqrt 1: a tie, the first row wins. then (1, 1) adds sqrt 5 - 2 + 1 = 1.236,
    # the twin sqrt 8 - 2 = 0.828
    found = most_information(labels, 3)
    assert found.picks == [0, 2, 1]
    assert found.gains == pytest.approx([2, 5**0.5 - 1, 3 - 5**0.5])


def test_greedy_information_is_close_to_the_best_and_gains_fall():
    rng = np.random.default_rng(0)
    x = rng.random((12, 5)) ** 4
    found = most_information(x, 4)
    best, _ = best_of_all(x, 4, 0.5)
    assert sum(found.gains) >= (1 - 1 / np.e) * best
    assert sum(found.gains) == pytest.approx(np.sum(x[found.picks].sum(0) ** 0.5))
    assert all(a >= b - 1e-12 for a, b in itertools.pairwise(most_information(x, 12).gains))


def test_lazy_gains_choose_what_full_gains_choose():
    rng = np.random.default_rng(1)
    x = rng.random((900, 12)) ** 6
    quality = rng.random(900)
    weighed, held, picks = x * quality[:, None], np.zeros(12), []
    for _ in range(40):
        gain = ((held + weighed) ** 0.3).sum(1) - (held**0.3).sum()
        gain[picks] = -1
        picks.append(int(gain.argmax()))
        held += weighed[picks[-1]]
    assert most_information(x, 40, quality=quality, power=0.3).picks == picks


def test_soft_labels_give_rare_kinds_a_landmark():
    rng = np.random.default_rng(2)
    x = np.concatenate([np.eye(8)[0] + 0.05 * rng.normal(size=(500, 8)), np.eye(8)[5:6]])
    labels = soft_labels(x, 4)
    np.testing.assert_allclose(labels.sum(1), 1)
    assert most_information(labels, 4).picks.count(500) == 1


def test_what_lies_in_the_span_adds_nothing():
    x = np.array([[1.0, 0, 0], [2.0, 0, 0], [1.0, 1.0, 0], [0, 0, 3.0]])
    queries = np.array([[3.0, 4.0, 0.0]])
    found = spanning(x, queries, 4)
    # (1, 1, 0) holds (3 + 4)^2 / 2 = 24.5 of 25; what is left is along (1, -1, 0) and row 0 adds 0.5; then all is said
    assert found.picks == [2, 0]
    assert found.gains == pytest.approx([24.5, 0.5])
