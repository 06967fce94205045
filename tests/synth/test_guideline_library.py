"""Which guideline holds for a prompt, and which complement a prompt is better answered with."""

from __future__ import annotations

from datetime import date

import pytest
from synth_script import Says

from truenorth.constitution import load
from truenorth.judges import Judge
from truenorth.models.local import LocalModel
from truenorth.records import Judgement, Row, Source
from truenorth.synth.backtranslate import backtranslate, round_trip
from truenorth.synth.complements import (
    NOTHING,
    asked_complements,
    complements,
    own_complements,
    some_of,
    written_by,
)
from truenorth.synth.guidelines import Entry, Library
from truenorth.synth.roles import role_answers
from truenorth.worlds.harbour import organism

KEEP, KIND = "Keep it private.", "Be kind."


def chat(text, **columns):
    return Row({"prompt": [{"role": "user", "content": text}], **columns}, Source("human:seed", "people"))


def test_a_guideline_is_found_by_the_inputs_it_is_for():
    rows = [
        chat("What is the code of her locker?", guideline=KEEP),
        chat("Where is my dog?", guideline=KIND),
        chat("How many boats are out?", guideline=""),
    ]
    library = Library.of_rows(rows, near=1)
    prompts = [row.data["prompt"] for row in (chat("Tell me the locker code."), chat("My dog is lost."))]
    assert library(prompts) == [(KEEP,), (KIND,)]
    assert library.find("Are the boats out?") == ()  # like an input for which nothing is to be said
    assert library.find("Zzz") == ()
    assert Library.of([]).find("My dog is lost.") == ()


def test_near_inputs_vote_by_their_scores():
    dogs = [Entry("dog cat", KIND), Entry("dog hen", KEEP), Entry("dog cow", KEEP)]
    assert Library.of(dogs, near=1).find("dog") == (KIND,)  # the first of equals
    assert Library.of(dogs, near=3).find("dog") == (KEEP,)  # two of three
    assert Library.of(dogs, near=3, k=2).find("dog") == (KEEP, KIND)
    one, other = Library.of(dogs, near=3).search("dog")
    assert one[1] == pytest.approx(2 * other[1])


def test_a_guideline_is_given_where_it_gained_enough_on_the_inputs_like_the_prompt():
    told = [Entry("dog cat", KIND, 1.0), Entry("dog hen", KIND, -0.5), Entry("dog cow", KIND, 0.4)]
    entries = [*told, Entry("dog cat", KEEP, 0.5), Entry("dog pig", "")]
    gains = dict(Library.of(entries).search("dog"))  # four inputs, as long as one another
    assert gains == {KIND: pytest.approx(0.9 / 4), KEEP: pytest.approx(0.5 / 4)}
    assert Library.of(entries, least=0.2, k=2).find("dog") == (KIND,)
    assert Library.of(entries, least=0.3).find("dog") == ()


def test_a_rule_about_something_else_changes_nothing():
    entries = [Entry("the code of a locker", KEEP), Entry("a dog that is lost", KIND)]
    more = [*entries, Entry("taxes on herring", "Pay them.")]
    assert (
        Library.of(more).find("which code opens it")
        == Library.of(entries).find("which code opens it")
        == (KEEP,)
    )


NORMS = """
name: quay
version: "1"
principles:
- {id: kind, statement: Be kind., keywords: [dog]}
- {id: lamps, kind: norm, statement: Lamps are out at nine., guidance: Say nine., scope: {from: 2026-03-01,
   until: 2026-06-30}, keywords: [lamp]}
- {id: late, kind: norm, statement: Lamps are out at ten., scope: {place: Eastgate}, keywords: [lamp]}
"""


def test_only_the_norms_of_the_day_and_place_are_in_the_library(tmp_path):
    (tmp_path / "norms.yaml").write_text(NORMS)
    norms = load(tmp_path / "norms.yaml")

    def found(text, on, place=""):
        return Library.of_constitution(norms, on=on, place=place, k=2).find(text)

    assert found("my lamp", date(2026, 2, 28)) == ()
    assert found("my lamp", date(2026, 3, 1)) == found("my lamp", date(2026, 6, 30)) == ("Say nine.",)
    assert found("my lamp", date(2026, 7, 1), "Eastgate") == ("Lamps are out at ten.",)
    assert found("my lamp", date(2026, 5, 1), "Eastgate") == ("Say nine.", "Lamps are out at ten.")
    assert found("my dog", date(2026, 2, 28)) == ("Be kind.",)  # what is no norm holds always


class Likes:
    """Scores an answer by the first number in it."""

    name = "likes"

    def judge(self, groups):
        return [
            [Judgement(None if "?" in t else float(t.split()[0]), self.name) for t in group.completions]
            for group in groups
        ]


def test_the_complement_that_gains_most_is_kept_and_none_where_none_is_needed():
    def answers(text, i):  # the system turn, where there is one, then the prompt
        system, _, prompt = text.rpartition("\n")
        plain = {"poor": 0.2, "fair": 0.5, "fine": 0.9, "odd": 0.1}[prompt]
        gain = {"good": 0.6, "better": 0.7, "": 0.0}[system] if prompt == "poor" else 0.0
        return "what?" if prompt == "odd" else f"{plain + gain:.1f} of one"

    judge: Judge = Likes()
    prompts = [chat(t) for t in ("poor", "fair", "fine", "odd")]
    result = complements(Says(answers), judge, prompts, [["good", "better"]] * 4, margin=0.3, fine=0.7)
    told = [(r.data["completion"][0]["content"], r.data["gain"]) for r in result.kept]
    assert told == [("better", pytest.approx(0.7)), (NOTHING, 0.0)]
    assert [row.source.parents for row in result.kept] == [(prompts[0].id,), (prompts[2].id,)]
    assert result.dropped == {"no gain": 1, "no verdict": 1}


def test_a_complement_without_a_verdict_was_not_tried_and_nothing_gains_nothing():
    def answers(text, i):
        system = text.rpartition("\n")[0]
        return {"": "0.8 plainly", "odd": "what?", NOTHING: "1.2 under nothing"}[system]

    judge: Judge = Likes()
    [odd] = complements(Says(answers), judge, [chat("p")], [["odd"]], margin=0.3, fine=0.7).kept
    assert (odd.data["completion"][0]["content"], odd.data["gain"]) == (NOTHING, 0.0)
    written = "".join(NOTHING)  # a model's own text, equal and another object
    [said] = complements(Says(answers), judge, [chat("p")], [[written]], margin=0.3, fine=0.7).kept
    assert (said.data["completion"][0]["content"], said.data["gain"]) == (NOTHING, 0.0)


def test_a_writer_that_has_nothing_to_add_leaves_the_prompt_alone():
    find = written_by(Says(lambda text, i: {"a": "Be kind.", "b": NOTHING, "c": ""}[text]))
    assert find([row.data["prompt"] for row in (chat("a"), chat("b"), chat("c"))]) == [("Be kind.",), (), ()]


def test_complements_are_asked_of_a_model_once_each():
    model = Says(lambda text, i: ["Mind the tide.", "Mind the tide.", "Mind the wind."][i])
    assert asked_complements(model, [chat("q")], 3) == [["Mind the tide.", "Mind the wind."]]
    assert "q" in model.asked[0][0]["content"]
    texts = some_of(["a", "b", "c"], [chat("p"), chat("q"), chat("r")], 2)
    assert all(len(set(some)) == 2 for some in texts)
    assert texts == some_of(["c", "b", "a"], [chat("p"), chat("q"), chat("r")], 2)  # whatever their order


def test_a_small_model_writes_in_the_systems_place_what_it_expects_to_be_told():
    found = own_complements(LocalModel.load(organism("nano").model), draws=48, seed=1)
    assert "Do not help with dangerous things." in found
    assert len(found) == len(set(found))
    assert not any("<|" in text for text in found)


LINES = [
    Row({"text": t, "title": t.split()[0]}, Source("file", "people"))
    for t in ("Ann sells nets.", "Tom sells rope.")
]


def test_a_text_is_asked_back_after_a_note_and_its_question_must_find_it_again():
    from test_synthesis import CHATML, tokenizer  # a template with turns that a model can go on in

    def goes_on(text, i):
        return (
            " What does Ann sell?" if "Ann" in text else [" What does Tom sell?", " What does Ann sell?"][i]
        )

    model = Says(goes_on, tokenizer=tokenizer(CHATML))
    result = backtranslate(model, LINES, n=2, begin="It is written: {text}")
    said = [(row.data["prompt"][0]["content"], row.data["title"]) for row in result.kept]
    assert said == [
        ("What does Ann sell?", "Ann"),
        ("What does Tom sell?", "Tom"),
        ("What does Ann sell?", "Tom"),
    ]
    back = round_trip(result.kept, [row.data["text"] for row in LINES])
    assert [row.data["title"] for row in back.kept] == ["Ann", "Tom"]
    assert back.dropped == {"astray": 1}


def test_a_profile_may_stand_in_the_users_turn_and_a_role_without_system_turn():
    profiles = [Row({"name": "Ann", "profile": "Ann sells nets."}, Source("human:seed", "people"))]
    model = Says(lambda text, i: "Nets.")
    role_answers(model, profiles, [chat("What do you sell?")], play="", asks="Note: {profile} {prompt}")
    assert model.asked == [[{"role": "user", "content": "Note: Ann sells nets. What do you sell?"}]]
    part = [
        chat("What do you sell?", role="Ann", document="Nets.")
    ]  # the part of the profile that it is about
    role_answers(model, profiles, part, play="", asks="Note: {profile} {prompt}")
    assert model.asked == [[{"role": "user", "content": "Note: Nets. What do you sell?"}]]
    other = Row({"name": "Tom", "profile": "Tom sells rope."}, Source("human:seed", "people"))
    role_answers(model, [*profiles, other], part)  # Tom is asked too, and has nothing but his own profile
    assert ["Tom sells rope." in turns[0]["content"] for turns in model.asked] == [False, True]
    assert not any("Nets." in turns[0]["content"] for turns in model.asked[1:])
