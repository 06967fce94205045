"""Duplicates at scale: the fast way finds what comparing every pair finds, and nothing else."""

import random
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from truenorth.base import UserError
from truenorth.synth.dedupe import duplicates, normalise
from truenorth.synth.minhash import BLOCK, bands_for, minhash, near_duplicates
from truenorth.synth.shingles import Shingles, hashed


def plain_way(texts, near, n):
    """Each text against every earlier one that was kept, by sets of word runs."""
    kept, seen, reasons = [], set(), []
    for text in map(normalise, texts):
        said = text.split()
        runs = {tuple(said[i : i + n]) for i in range(max(1, len(said) - n + 1))}
        if not text:
            reasons.append("empty")
        elif text in seen:
            reasons.append("exact")
        elif any(len(runs & other) >= near * len(runs | other) for other in kept):
            reasons.append("near")
        else:
            reasons.append("")
            kept.append(runs)
        seen.add(text)
    return reasons


def made_texts(count, seed, *, vocabulary=60, words=(1, 12)):
    """Random texts, half of them an earlier one with a word changed, dropped, doubled or shouted."""
    rng = random.Random(seed)
    texts = [""]
    for _ in range(count):
        if rng.random() < 0.5:
            said = rng.choice(texts).split() or ["a"]
            at = rng.randrange(len(said))
            said[at : at + 1] = rng.choice([[], ["new"], [said[at]] * 2, [said[at].upper() + "!"]])
        else:
            said = [f"w{rng.randrange(vocabulary)}" for _ in range(rng.randint(*words))]
        texts.append(" ".join(said))
    return texts


@pytest.mark.parametrize(("near", "n"), [(0.8, 2), (0.6, 1), (0.9, 3), (0.5, 2)])
@pytest.mark.parametrize("seed", [0, 1])
def test_all_pairs_compared_say_the_same(near, n, seed):
    texts = made_texts(1500, seed)
    assert len(texts) > 2 * BLOCK  # several blocks
    expected = plain_way(texts, near, n)
    assert {"", "empty", "exact", "near"} == set(expected)
    assert duplicates(texts, near=near, shingle=n) == expected


def test_a_family_of_thousands_shrinks_to_one():
    base = [f"w{i}" for i in range(40)]
    texts = [" ".join([*base, f"end{i}"]) for i in range(3000)]  # 39 of 41 runs shared: 0.95
    assert duplicates(texts, near=0.9) == ["", *["near"] * 2999]


def test_languages_and_broken_characters_are_texts_too():
    texts = [
        "Größe zählt hier sehr",
        "GRÖSSE zählt hier",
        "漁港 の 朝",
        "漁港の朝。",
        "ﬁne \ud800 art",
        "fine \ud800 ART",
        "\ud800",
    ]
    # the ligature is NFKC's "fi"; a lone surrogate is no letter; spaces mean nothing in Japanese
    assert duplicates(texts, near=2) == ["", "", "", "exact", "", "exact", "empty"]


@pytest.mark.parametrize(
    "text",
    [
        "すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である",
        "人人生而自由在尊严和权利上一律平等他们赋有理性和良心并应以兄弟关系的精神相对待",
        "มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกันในเกียรติศักดิ์และสิทธิต่างมีเหตุผลและมโนธรรม",
    ],
)
def test_near_duplicates_are_found_where_words_have_no_spaces(text):
    other = text[len(text) // 2 :] + text[: len(text) // 2]  # as long, and one run of letters more or less
    assert duplicates([text, text[:-1], text[::-1]]) == ["", "near", ""]
    assert duplicates([text, other])[1] == "near"


@settings(max_examples=50, deadline=None)
@given(st.lists(st.frozensets(st.integers(0, 30), max_size=12), max_size=30))
def test_hashing_never_drops_what_is_not_similar(sets):
    for i in near_duplicates(Shingles.of(sets), near=0.8):
        assert any(len(sets[i] & s) >= 0.8 * len(sets[i] | s) for s in sets[:i])


def test_minhash_estimates_the_jaccard_similarity():
    drawn = np.random.default_rng(0).integers(0, 2**48, 1500).tolist()  # as hashes are
    one, two = minhash(Shingles.of([drawn[:1000], drawn[500:]]), count=2000, seed=1).T  # 500 of 1500 shared
    assert (one == two).mean() == pytest.approx(1 / 3, abs=0.04)  # four standard errors


def test_bands_find_what_they_promise():
    # 31 bands of 6 at 0.8: 1 - (1 - 0.262144)^31 = 0.99992; 30 would give 0.99989
    assert bands_for(0.8) == (31, 6)
    for near in (0.3, 0.5, 0.8, 0.95, 1.0):
        count, rows = bands_for(near)
        assert 1 - (1 - near**rows) ** count >= 0.9999
        assert count * rows <= 256


def test_a_text_hashes_the_same_alone_and_in_any_company():
    texts = made_texts(300, 3)
    together = hashed(texts, 2)
    for i in (0, 1, 150, 300):
        alone = hashed([texts[i]], 2)
        assert alone.whole[0] == together.whole[i]
        assert alone.sets.values.tolist() == together.sets.take(np.array([i])).values.tolist()


def test_a_stream_is_not_kept():
    def peak(count):
        tracemalloc.start()
        tail = "tail" * 1500
        assert duplicates((f"text number {i} {tail}" for i in range(count)), near=2).count("") == count
        held = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return held

    once = peak(1000)  # 6 MB of text, several chunks
    assert peak(4000) - once < 3e6  # 18 MB of text more


def test_settings_are_checked():
    with pytest.raises(UserError, match="shingle 0"):
        duplicates([], shingle=0)
    assert duplicates([]) == []
