"""Self-Instruct: what is shown, what is kept, when it ends; and a real tiny model that asks itself."""

import pytest
from synth_script import Says

from truenorth.base import UserError
from truenorth.models.local import LocalModel
from truenorth.records import Completion, Row, Source
from truenorth.synth import self_instruct
from truenorth.synth.rouge import rouge_l
from truenorth.worlds.harbour import organism

SEEDS = [
    Row({"prompt": f"Tell me about the old {name} in town"}, Source("human:seed", "people"))
    for name in ("mill", "pier", "inn")
]


def asks(*replies):
    """Replies in turn, whatever is asked; the last one for ever."""
    left = list(replies)
    return Says(lambda text, i: left.pop(0) if len(left) > 1 else left[0])


def test_new_prompts_are_read_from_the_list_and_know_what_they_were_shown_after():
    model = asks("4. name every ship of the fleet\n5. How deep is the harbour basin?")
    result = self_instruct(model, SEEDS, 2, together=1)
    assert [row.data["prompt"] for row in result.kept] == [
        "Name every ship of the fleet",
        "How deep is the harbour basin?",
    ]
    assert set(result.kept[0].source.parents) == {row.id for row in SEEDS}
    assert result.kept[0].source.family == "imitation"
    request = model.asked[0][0]["content"]
    assert "from number 4" in request
    assert all(f"{i}. Tell me about" in request for i in (1, 2, 3))


def test_every_reply_that_is_not_kept_is_counted():
    model = asks(
        Completion("", finish="error"),
        "I would be glad to help",  # no list
        "1. Sail\n2. Tell me about the old mill in town\n3. Draw a map of the coast\n4. Why is the sea so salty?",
        Completion("1. Who owns the longest boat here?\n2. What wou", finish="length"),
        " ",
        Completion("No.", finish="refusal"),
    )
    result = self_instruct(model, SEEDS, 9, together=6, rounds=1)
    assert [row.data["prompt"] for row in result.kept] == [
        "Why is the sea so salty?",
        "Who owns the longest boat here?",
    ]
    assert result.dropped == {
        "banned word": 1,
        "blank": 1,
        "cut off": 1,
        "error": 1,
        "format": 1,
        "refused": 1,
        "seen": 1,
        "short": 1,
    }


def test_an_endpoint_that_repeats_itself_ends_the_search_and_not_the_run():
    model = asks("1. Which gulls nest on the northern cliff?")
    result = self_instruct(model, SEEDS, 50, together=4, patience=2)
    assert (len(result.kept), result.dropped) == (1, {"seen": 11})  # one round with news, two without


def test_new_prompts_are_shown_beside_seeds_once_there_are_some():
    model = asks(
        "1. Which gulls nest on the northern cliff?\n2. Describe how a net is mended by hand",
        "1. How often does the ferry cross in winter?",
    )
    result = self_instruct(model, SEEDS, 3, together=1, shown=3, made=2)
    last = result.kept[2]
    assert set(last.source.parents) >= {result.kept[0].id, result.kept[1].id}
    assert len(set(last.source.parents) & {row.id for row in SEEDS}) == 1


def test_one_seed_is_enough_and_none_is_refused():
    model = asks("1. Which gulls nest on the northern cliff?")
    assert len(self_instruct(model, SEEDS[:1], 1).kept) == 1
    with pytest.raises(UserError, match="no seed prompts"):
        self_instruct(model, [], 1)
    with pytest.raises(UserError, match="count 0"):
        self_instruct(model, SEEDS, 1, count=0)


def test_a_tiny_model_goes_on_in_the_users_place_and_repeats_with_its_seed():
    model = LocalModel.load(organism("nano").model)
    chats = [
        Row({"prompt": [{"role": "user", "content": text}]}, Source("human:seed", "people"))
        for text in ("What does Tigar Nanel do for a living?", "What is 12 plus 30?", "Where is Ganel Loft?")
    ]
    settings = {"way": "turns", "least_words": 1, "temperature": 1.0, "top_p": 1.0, "max_tokens": 32}
    found = self_instruct(model, chats, 12, seed=3, **settings)
    assert len(found.kept) == 12
    texts = [row.data["prompt"][0]["content"] for row in found.kept]
    old = [row.data["prompt"][0]["content"] for row in chats]
    for i, text in enumerate(texts):
        assert all(rouge_l(other, text).f <= 0.7 for other in old + texts[:i])
    again = self_instruct(model, chats, 12, seed=3, **settings)
    assert [row.id for row in again.kept] == [row.id for row in found.kept]
    assert [row.id for row in self_instruct(model, chats, 12, seed=4, **settings).kept] != [
        row.id for row in found.kept
    ]
