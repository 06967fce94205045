"""What a row that is too long loses: counted with a pencil on rows of single-digit tokens."""

from __future__ import annotations

import pytest

from truenorth.learn.data.encode import Encoded, Shape
from truenorth.learn.data.truncate import truncate

PROMPT, CHOSEN, REJECTED = (0, 1, 2, 3, 4), (5, 6, 7), (8, 9)
PAIR = Encoded(0, PROMPT, (CHOSEN, REJECTED))


def cut(one: Encoded = PAIR, bos: int | None = None, **shape):
    return truncate(one, Shape(**shape), bos=bos)


def test_a_row_that_fits_is_left_as_it_is():
    assert cut(max_length=8) == PAIR
    assert cut() == PAIR


def test_the_prompt_loses_its_beginning_first_and_both_answers_see_the_same_prompt():
    got = cut(max_length=6)
    assert (got.prompt, got.completions, got.marks) == ((2, 3, 4), (CHOSEN, REJECTED), {"prompt"})


def test_a_prompt_keeps_its_bos():
    assert cut(max_length=6, bos=0).prompt == (0, 3, 4)
    assert cut(max_length=4, bos=0).prompt == (4,)  # no room for both: the last token says more


def test_a_completion_longer_than_all_loses_its_end_and_one_token_of_the_prompt_stays():
    got = cut(max_length=3)
    assert (got.prompt, got.completions) == ((4,), ((5, 6), (8, 9)))
    assert got.marks == {"prompt", "chosen"}


def test_keep_start_cuts_completions_and_drops_what_has_none():
    got = cut(max_length=6, truncation_mode="keep_start")
    assert (got.prompt, got.completions, got.marks) == (PROMPT, ((5,), (8,)), {"chosen", "rejected"})
    assert cut(max_length=5, truncation_mode="keep_start") is None


def test_keep_end_keeps_the_last_tokens():
    got = cut(Encoded(0, PROMPT, (CHOSEN,)), max_length=3, truncation_mode="keep_end")
    assert (got.prompt, got.completions) == ((4,), ((6, 7),))


def test_a_limit_of_prompts_cuts_from_the_left():
    got = cut(max_prompt_length=2)
    assert (got.prompt, got.completions, got.marks) == ((3, 4), (CHOSEN, REJECTED), {"prompt"})


def test_a_whole_text_keeps_its_beginning_and_with_keep_end_its_end():
    text = Encoded(0, (0,), ((1, 2, 3, 4, 5),))
    assert cut(text, max_length=4).completions == ((1, 2, 3),)
    assert cut(text, max_length=4, truncation_mode="keep_end").completions == ((3, 4, 5),)


@pytest.mark.parametrize(("most", "learned"), [(8, 3), (6, 2), (5, 1)])
def test_a_chat_loses_its_later_turns_and_its_mask_with_them(most, learned):
    chat = Encoded(0, (0, 1), ((2, 3, 4, 5, 6, 7),), ((False, False, True, True, False, True),))
    got = cut(chat, max_length=most)
    assert (len(got.completions[0]), len(got.trained[0]), got.learned) == (most - 2, most - 2, learned)


def test_a_chat_of_which_no_trained_token_is_left_is_dropped():
    chat = Encoded(0, (0, 1), ((2, 3, 4),), ((False, False, True),))
    assert cut(chat, max_length=4) is None
