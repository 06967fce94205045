"""Instances of tasks, conversations of two models, and words that give pairs away."""

import pytest
from synth_script import Says

from truenorth.base import UserError
from truenorth.models.local import LocalModel
from truenorth.records import Completion, Row, Source
from truenorth.synth.conversations import conversations
from truenorth.synth.instances import instances, read_instances
from truenorth.synth.telltale import log_odds, telltale
from truenorth.worlds.harbour import organism


def chat(text, **columns):
    return Row({"prompt": [{"role": "user", "content": text}], **columns}, Source("human:seed", "people"))


def turn(text):
    return [{"role": "assistant", "content": text}]


TASK, SORT = chat("Double the number."), chat("Is the boat red or blue?")


def working(reply, labels=""):
    def says(text, i):
        if "as in classification" in text:
            return "Yes" if "boat" in text else "No"
        return labels if "Label: ..." in text else reply

    return Says(says)


def test_inputs_come_first_and_labels_come_first_where_a_task_classifies():
    model = working(
        "1. Input: 2\nOutput: 4\n2. Input: 3\nOutput: 6",
        "Label: red\nInput: The Tern\nLabel: blue\nInput: The Gannet",
    )
    result = instances(model, [TASK, SORT])
    assert [(r.data["prompt"][0]["content"], r.data["completion"][0]["content"]) for r in result.kept] == [
        ("Double the number.\n\n2", "4"),
        ("Double the number.\n\n3", "6"),
        ("Is the boat red or blue?\n\nThe Tern", "red"),
        ("Is the boat red or blue?\n\nThe Gannet", "blue"),
    ]
    assert [r.data["classification"] for r in result.kept] == [False, False, True, True]
    assert result.kept[0].source.parents == (TASK.id,)


@pytest.mark.parametrize(
    ("reply", "kept", "dropped"),
    [
        ("Output: A poem", 1, {}),  # a task that needs no input
        ("Input: none\nOutput: A poem", 1, {}),
        ("Input: 2\nOutput: 4\nInput: 2\nOutput: 5", 0, {"two outputs": 2}),
        ("Input: 2\nOutput: 4\nInput: 2\nOutput: 4", 1, {"repeated": 1}),
        ("Input: 2\nInput: 3\nOutput: 6", 1, {}),  # an input that nothing follows is none
        ("Input: 2\nOutput:", 0, {"incomplete": 1}),
        ("It is four.", 0, {"format": 1}),
        ("", 0, {"blank": 1}),
        (Completion("Input: 2\nOutput: 4\nInput: 3\nOutput: 1", finish="length"), 1, {"cut off": 1}),
    ],
)
def test_instances_that_are_not_whole_are_counted(reply, kept, dropped):
    result = instances(working(reply), [TASK])
    assert (len(result.kept), result.dropped) == (kept, dropped)


def test_fields_of_an_instance_may_have_several_lines():
    text = "Input:\na b\nc d\nOutput: x\ny\n"
    assert read_instances(text, labels_first=False) == [("a b\nc d", "x\ny")]


OPENING = chat("My net is torn.", persona="A netmaker who has no twine")


def test_each_turn_is_a_row_with_all_said_before_and_the_persona_stays_hidden():
    model = Says(lambda t, i: "Mend it." if "twine" not in t else "Ask Ann.")
    person = Says(lambda t, i: "END." if "Ask Ann" in t else "I have no twine.", name="person")
    one, two = conversations(model, [OPENING], person, context="You are a harbour master.").kept
    assert one.data["completion"] == turn("Mend it.")
    assert [m["content"] for m in two.data["prompt"]] == ["My net is torn.", "Mend it.", "I have no twine."]
    assert two.data["completion"] == turn("Ask Ann.")
    assert (one.source.parents, two.source.parents) == ((OPENING.id,), (one.id,))
    assert "harbour master" in str(model.asked)
    assert "harbour master" not in str(two.data)
    assert "A netmaker who has no twine" in str(person.asked)


def test_a_conversation_that_breaks_off_keeps_its_turns():
    model = Says(lambda t, i: "Mend it.")
    mute = Says(lambda t, i: "", name="person")
    result = conversations(model, [OPENING], mute)
    assert (len(result.kept), result.dropped) == (1, {"person: blank": 1})
    assert conversations(mute, [OPENING], model).dropped == {"blank": 1}
    assert len(conversations(model, [OPENING], Says(lambda t, i: "Yes."), turns=4).kept) == 4
    with pytest.raises(UserError, match="without a persona"):
        conversations(model, [TASK], mute)


def test_a_tiny_model_talks_to_itself():
    nano = LocalModel.load(organism("nano").model)
    rows = [chat("Where is Ganel Loft?", persona="You want to know more.")]
    result = conversations(nano, rows, nano, turns=2, template="{persona}", max_tokens=32, seed=1)
    again = conversations(nano, rows, nano, turns=2, template="{persona}", max_tokens=32, seed=1)
    assert [r.id for r in result.kept] == [r.id for r in again.kept]
    assert len(result.kept) + sum(result.dropped.values()) == 2


def pair(chosen, rejected, i):
    return chat(f"q{i}", chosen=turn(chosen), rejected=turn(rejected))


def test_pairs_that_one_word_gives_away_are_found():
    rows = [pair(f"sorry {w}", f"sure {w}", i) for i, w in enumerate("abcdefghij" * 2)]
    found = telltale(rows)
    assert found.share.mean == 1.0
    assert (found.chosen[0], found.rejected[0]) == ("sorry", "sure")
    turned = telltale(
        [
            pair(r.data["rejected"][0]["content"], r.data["chosen"][0]["content"], i)
            for i, r in enumerate(rows)
        ]
    )
    assert (turned.chosen[0], turned.rejected[0]) == ("sure", "sorry")


def test_words_that_say_nothing_are_chance():
    alike = [pair("it is so", "so it is", i) for i in range(20)]
    assert telltale(alike).share.mean == 0.5
    with pytest.raises(UserError, match="3 rows, 5 folds"):
        telltale(alike[:3])


def test_log_odds_are_those_of_counts_with_one_more():
    from math import log

    # words a, b; chosen a a b: (2+1)/(3+2) and (1+1)/5; rejected b: (0+1)/(1+2) and (1+1)/3
    odds = log_odds([(["a", "a", "b"], ["b"])])
    assert odds == pytest.approx({"a": log(3 / 5 / (1 / 3)), "b": log(2 / 5 / (2 / 3))})
