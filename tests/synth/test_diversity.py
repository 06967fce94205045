"""Diversity on paper: alike, unlike, and in between."""

import numpy as np
import pytest

from truenorth.base import UserError
from truenorth.synth.diversity import diversity, entropy, nearest_likeness, vendi


def as_vectors(x):
    """An embedding that gives text i the vector x[i]."""
    return lambda texts: np.asarray(x, np.float32)[: len(texts)]


def test_vendi_counts_what_is_different():
    assert vendi(np.eye(7)) == pytest.approx(7)
    assert vendi(np.tile(np.eye(7)[:1], (5, 1))) == pytest.approx(1)
    assert vendi(np.repeat(np.eye(3), 4, axis=0)) == pytest.approx(3)
    # two vectors with cosine c: eigenvalues (1 + c)/2 and (1 - c)/2; here c = 0.6, so 0.8 and 0.2
    two = np.array([[1.0, 0.0], [0.6, 0.8]])
    assert vendi(two) == pytest.approx(0.8**-0.8 * 0.2**-0.2)


def test_vendi_is_that_of_the_similarities_themselves():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(30, 8))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    shares = np.linalg.eigvalsh(x @ x.T / 30)
    shares = shares[shares > 1e-12]
    assert vendi(x) == pytest.approx(np.prod(shares**-shares))


def test_entropy_on_paper():
    assert entropy("abcd") == pytest.approx(np.log(4))
    assert entropy("aaab") == pytest.approx(-0.75 * np.log(0.75) - 0.25 * np.log(0.25))
    assert entropy("aaaa") == 0.0


def test_the_nearest_is_another_text_and_never_the_text_itself():
    x = np.array([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]])
    assert nearest_likeness(x) == pytest.approx([0.6, 0.8, 0.8])
    many = np.random.default_rng(1).normal(size=(2500, 6))
    many /= np.linalg.norm(many, axis=1, keepdims=True)
    like = many @ many.T
    np.fill_diagonal(like, -1)
    assert nearest_likeness(many) == pytest.approx(like.max(1))


def test_beginnings_are_counted_without_case_and_punctuation():
    found = diversity(["What is this?", "what IS that", "Where is Ann?", "How?"], embed=as_vectors(np.eye(4)))
    assert (found.texts, found.openings) == (4, 3)
    assert found.entropy == pytest.approx(1.5 * np.log(2))  # shares 1/2, 1/4, 1/4
    assert found.nearest.mean == 0
    assert found.vendi == pytest.approx(4)


def test_names_alone_make_texts_a_little_different_and_other_words_more():
    names = ["Ann Grey", "Tom Pike", "Ida Moss", "Leo Finn"]
    alike = diversity([f"Where does {name} live?" for name in names])
    unlike = diversity(
        ["Where does Ann live?", "Bake some rye bread.", "Is 17 a prime?", "Why do boats leak?"]
    )
    assert alike.openings == 1
    assert unlike.openings == 4
    assert alike.nearest.mean > unlike.nearest.mean
    assert alike.vendi < unlike.vendi


def test_texts_of_one_persona_are_drawn_together():
    rng = np.random.default_rng(2)
    spread = np.repeat(np.geomspace(0.05, 1.0, 10), 4)[
        :, None
    ]  # some personas repeat themselves more than others
    x = np.repeat(rng.normal(size=(10, 40)), 4, axis=0) + spread * rng.normal(size=(40, 40))
    texts = [f"text {i}" for i in range(40)]
    apart = diversity(texts, embed=as_vectors(x))
    together = diversity(texts, embed=as_vectors(x), clusters=[i // 4 for i in range(40)])
    assert together.nearest.mean == pytest.approx(apart.nearest.mean)
    assert together.nearest.high - together.nearest.low > 1.5 * (apart.nearest.high - apart.nearest.low)


def test_one_text_has_no_diversity():
    with pytest.raises(UserError, match="two texts or more"):
        diversity(["Alone."])
