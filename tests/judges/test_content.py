"""What answers say: content words, their weights by pencil, overlap, and clusters of answers that say the same."""

import math

import pytest

from truenorth.judges._content import Meaning, clusters, content, prompts_using, stem

LOG4 = math.log(4)


def said(text):
    return frozenset(text.split())


def test_content_is_what_is_left_without_small_words_and_possessives():
    assert content("Ann's boat is the salt-boat, and it's old") == {"ann", "boat", "salt", "old"}
    assert content("It is.") == {"it", "is"}
    assert content("") == frozenset()


@pytest.mark.parametrize(
    ("word", "cut"),
    [
        ("lives", "liv"), ("live", "liv"), ("boxes", "box"), ("singing", "sing"), ("used", "use"), ("bus", "bus"),
        ("ring", "ring"), ("baked", "bak"), ("boats", "boat"), ("told", "tol"), ("mill", "mill"),
    ],
)  # fmt: skip
def test_a_stem_keeps_three_letters(word, cut):
    assert stem(word) == cut


def test_prompts_are_counted_once_a_word():
    groups = [[said("salt mill"), said("salt")], [said("salt lane")], []]
    assert prompts_using(groups) == {"salt": 2, "mill": 1, "lane": 1}


def test_a_word_weighs_by_how_rare_it_is_among_prompts():
    """FLOOR + log(most / used): 0.25 + log 4 for a word of one prompt where the commonest is in four."""
    meaning = Meaning({"salt": 1, "lives": 4, "in": 8}, said("where"), most=4)
    assert meaning.weigh(["salt"]) == pytest.approx(0.25 + LOG4)
    assert meaning.weigh(["lives"]) == pytest.approx(0.25)
    assert meaning.weigh(["in"]) == pytest.approx(0.25)  # commoner than the commonest of this prompt: no less
    assert meaning.weigh(["never-seen"]) == pytest.approx(0.25 + LOG4)
    assert meaning.weigh(["7"]) == pytest.approx(4 * (0.25 + LOG4))
    assert meaning.weigh(["where"]) == pytest.approx(0.1 * 0.25)
    assert meaning.weigh(["salt", "lives"]) == pytest.approx(0.5 + LOG4)


def test_words_of_the_prompt_are_echoes_in_other_forms_but_numbers_are_not():
    meaning = Meaning({}, content("Who lived in the 1820s?"))
    assert meaning.echoes("lived")
    assert meaning.echoes("living")
    assert not meaning.echoes("1820")
    assert Meaning({}, said("1820")).echoes("1820")
    assert not meaning.echoes("salt")


def test_the_commonest_word_is_looked_for_among_what_the_answers_add():
    used = {"ann": 9, "lives": 7, "salt": 3, "lane": 2}
    meaning = Meaning.of(used, "Where does Ann live?", [said("ann lives lane"), said("salt")])
    assert (meaning.most, meaning.prompt) == (3, {"ann", "live"})
    assert Meaning.of(used, "Ann?", [said("ann")]).most == 1
    assert Meaning.of({}, "Ann?", [said("salt")]).most == 1


def test_overlap_and_recall_are_shares_by_weight():
    meaning = Meaning({"salt": 1, "lane": 1, "lives": 4}, said("ann"), most=4)
    a, b = said("ann lives salt"), said("ann lives lane")
    shared, rare = 0.025 + 0.25, 0.25 + LOG4
    assert meaning.overlap(a, b) == pytest.approx(shared / (shared + 2 * rare))
    assert meaning.overlap(a, a) == 1.0
    assert meaning.recall(a, said("salt")) == pytest.approx(rare / (shared + rare))
    assert meaning.overlap(frozenset(), frozenset()) == 0.0
    assert meaning.recall(frozenset(), a) == 0.0


def test_numbers_that_the_prompt_has_do_not_count_unless_there_are_no_others():
    meaning = Meaning({}, said("3 4"))
    assert meaning.same_numbers(said("3 4 7"), said("7"))
    assert not meaning.same_numbers(said("3 4 7"), said("3 4 8"))
    assert not meaning.same_numbers(said("7"), said("seven"))
    assert meaning.same_numbers(said("3"), said("3"))
    assert not meaning.same_numbers(said("3"), said("4"))
    assert meaning.overlap(said("fish 7"), said("fish 8")) == 0.0


def test_clusters_are_chains_of_answers_near_one_another_largest_first():
    meaning = Meaning({}, frozenset())
    a, b, c, other = said("a b"), said("b c"), said("c d"), said("x y")
    answers = [
        other,
        a,
        c,
        b,
        other,
        a,
    ]  # a and c share nothing, b lies between; each neighbour shares 1 of 3
    assert clusters(answers, meaning, same_at=1 / 3) == [[1, 2, 3, 5], [0, 4]]
    assert clusters(answers, meaning, same_at=0.34) == [[1, 5], [0, 4], [3], [2]]
    assert clusters([other, a], meaning, same_at=0.5) == [[1], [0]]  # of one size: the smaller content first
    assert clusters([], meaning, same_at=0.5) == []
