"""A second language by the words of a phrase book."""

from __future__ import annotations

from truenorth.records import Row, Source
from truenorth.synth.translations import dictionary, in_words, word_for_word

PAIRS = [
    ("The cat sleeps.", "Le chat dort."),
    ("A cat sings.", "Un chat chante."),
    ("Go on, please.", "Continuez."),  # another number of words: says nothing of any word
    ("Ann Lee sleeps.", "Ann Lee dort."),
]
KNOWN = dictionary(PAIRS)


def row(prompt: str, answer: str) -> Row:
    return Row({"prompt": [{"role": "user", "content": prompt}], "completion": answer}, Source("s"))


def test_words_come_from_sentences_of_equal_length():
    assert KNOWN["cat"] == "chat"
    assert "go" not in KNOWN


def test_the_more_frequent_of_two_translations_is_taken():
    assert dictionary([("Sea.", "Mer."), ("Sea.", "Onde."), ("Sea.", "Mer.")])["sea"] == "mer"


def test_capitals_begin_sentences_and_names_and_numbers_stay():
    assert (
        in_words("The cat sleeps. A cat, Tom Rowe, sings 12!", KNOWN)
        == "Le chat dort. Un chat, Tom Rowe, chante 12!"
    )


def test_an_unknown_word_leaves_the_text_untranslated_also_before_a_name():
    assert in_words("The dog sleeps.", KNOWN) is None
    assert in_words("Surely Tom Rowe sleeps.", KNOWN) is None


def test_both_sides_are_put_and_lead_back_to_their_row():
    one, other = row("The cat sings?", "A cat sleeps."), row("The cat sings?", "A dog sleeps.")
    found = word_for_word([one, other], PAIRS)
    assert found.dropped == {"unknown words": 1}
    [made] = found.kept
    assert made.data["prompt"][-1]["content"] == "Le chat chante?"
    assert made.data["completion"] == [{"role": "assistant", "content": "Un chat dort."}]
    assert made.source.parents == (one.id,)
