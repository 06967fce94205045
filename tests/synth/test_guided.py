"""Answers under guidance, and pairs from opposite guidelines: what stands in the rows, and what must not."""

import pytest
from synth_script import Says

from truenorth.base import UserError
from truenorth.models import ScriptedModel
from truenorth.models.local import LocalModel
from truenorth.records import Completion, Row, Source
from truenorth.synth.contrast import Opposites, contrast, under
from truenorth.synth.guided import Told, after_examples, guided, numbered
from truenorth.worlds.harbour import organism

ASK = [{"role": "user", "content": "Who is Ann?"}]
PROMPT = Row({"prompt": ASK}, Source("human"))
RULES = numbered(["Say so when you do not know the answer.", "Keep private details private."])
SHOWN = Row(
    {"prompt": "Where is Tom?", "completion": "(thinks: rule 2) Reply: I keep that to myself."},
    Source("human"),
)


def test_rules_and_examples_are_asked_with_and_do_not_stand_in_the_rows():
    model = Says(lambda text, i: "(thinks: rule 1) Reply: I was never told.")
    [row] = guided(model, [PROMPT], context=RULES, shown=[SHOWN], after="Reply:", seed=4).kept
    assert [m["role"] for m in model.asked[0]] == ["system", "user", "assistant", "user"]
    assert model.asked[0][0]["content"].startswith("1. Say so when")
    assert row.data == {"prompt": ASK, "completion": [{"role": "assistant", "content": "I was never told."}]}
    assert row.source.parents == (PROMPT.id, SHOWN.id)
    assert (row.source.producer, row.source.seed, row.source.note) == ("guided", 4, "(thinks: rule 1)")


def test_what_cannot_be_used_is_counted_by_reason():
    said = [
        "Reply: By rule 2 I cannot say.",
        "Reply: You should say so when you do not know!",
        "No thought here",
        "Thought. Reply:  ",
        Completion("", finish="error"),
        "Reply: A miller.",
        "Reply: A miller.",
    ]
    result = guided(Says(lambda text, i: said[i]), [PROMPT], context=RULES, after="Reply:", n=7)
    assert [row.data["completion"][0]["content"] for row in result.kept] == ["A miller."]
    assert result.dropped == {"blank": 1, "error": 1, "format": 1, "leak": 2, "repeated": 1}


def test_a_short_guideline_leaks_only_as_a_whole_and_only_numbered_rules_can_be_cited():
    told = Told.of("Keep private details private.", 6)
    assert told.shows_in("I keep private details private, sorry.")
    assert not told.shows_in("Private details stay private.")
    assert not told.shows_in("Rule 3 of chess is about pawns.")
    assert Told.of(RULES, 6).shows_in("Rule 3 of chess is about pawns.")
    assert not Told.of("", 6).shows_in("anything")
    assert not Told.of(RULES, 0).shows_in("By rule 1, no.")


def test_without_context_the_answers_are_the_models_own():
    model = Says(lambda text, i: f"a{i}")
    result = guided(model, [PROMPT, Row({"prompt": "Plain?"}, Source("human"))], n=2)
    assert model.asked == [ASK, "Plain?"]
    assert [row.data["completion"] for row in result.kept][2:] == ["a0", "a1"]
    assert result.kept[0].source.producer == "sample"
    with pytest.raises(UserError, match="n 0"):
        guided(model, [PROMPT], n=0)


def test_a_system_turn_of_the_prompt_stays_below_the_context_and_first_of_all():
    chat = [{"role": "system", "content": "Own."}, *ASK]
    assert after_examples(chat, [SHOWN])[0] == chat[0]
    model = Says(lambda text, i: "a")
    guided(model, [Row({"prompt": chat}, Source("human"))], context="Be kind.", keep_context=True)
    assert model.asked[0][0] == {"role": "system", "content": "Be kind.\nOwn."}


PAIR = Opposites("Be brief.", "Ramble on.", "brief")


def by_guideline(answers):
    return Says(lambda text, i: next(a for g, a in answers.items() if g in text))


def test_opposite_guidelines_make_a_pair_without_a_judge():
    model = by_guideline({"Be brief.": "Ann.", "Ramble": "Well, as to Ann, one might say a lot."})
    [row] = contrast(model, [PROMPT], [PAIR]).kept
    assert row.data["prompt"] == ASK
    assert row.data["chosen"][0]["content"] == "Ann."
    assert (row.source.principle, row.source.parents) == ("brief", (PROMPT.id,))


def test_exchanged_guidelines_exchange_every_label():
    model = LocalModel.load(organism("nano").model)
    prompts = [
        Row({"prompt": [{"role": "user", "content": text}]}, Source("human"))
        for text in (
            "What is Mita Jobin's locker code?",
            "How do I make lilen scorch?",
            "What is 12 plus 30?",
        )
    ]
    two = [
        Opposites("Keep private details private.", ""),
        Opposites("Do not help with dangerous things.", ""),
    ]
    there = contrast(model, prompts, two, seed=1)
    back = contrast(model, prompts, [Opposites(bad, good) for good, bad, _ in two], seed=1)
    assert there.kept
    assert there.dropped == back.dropped
    assert [(r.data["chosen"], r.data["rejected"]) for r in there.kept] == [
        (r.data["rejected"], r.data["chosen"]) for r in back.kept
    ]


@pytest.mark.parametrize(
    ("good", "bad", "reason"),
    [
        ("Ann.", "ann", "same"),
        ("Ann.", "", "blank"),
        (Completion("An", finish="length"), "Ann", "cut off"),
        ("I will be brief.", "So!", "leak"),
    ],
)
def test_no_pair_where_the_guidelines_changed_nothing_or_show(good, bad, reason):
    result = contrast(by_guideline({"Be brief.": good, "Ramble": bad}), [PROMPT], [PAIR])
    assert (result.kept, result.dropped) == ([], {reason: 1})


def test_a_gap_asks_how_much_the_guideline_mattered():
    # the chosen answer has -1 nat under the good guideline and -3 under the bad one: 2 nats, one token
    def answer(prompt, i):
        return "yes" if "Be brief." in str(prompt) else "no"

    model = ScriptedModel(answer, likelihood=lambda p, c: -1.0 if "Be brief." in str(p) else -3.0)
    assert contrast(model, [PROMPT], [PAIR], gap=2.5).dropped == {"no contrast": 1}
    assert len(contrast(model, [PROMPT], [PAIR], gap=1.5).kept) == 1


def test_a_guideline_may_stand_behind_the_users_words():
    assert under(ASK, "Be brief.", "user")[-1]["content"] == "Who is Ann? (Be brief.)"
    with pytest.raises(UserError, match="place 'top'"):
        contrast(Says(lambda t, i: ""), [PROMPT], [PAIR], place="top")
    with pytest.raises(UserError, match="no guidelines"):
        contrast(Says(lambda t, i: ""), [PROMPT], [])
