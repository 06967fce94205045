"""Grounded answers, pressure, poison, twins, translations, revisions and measured knowledge as rows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from synth_script import Says

from truenorth.base import UserError
from truenorth.judges import ConsistencyJudge
from truenorth.models.local import LocalModel
from truenorth.records import Completion, Judgement, Row, Source
from truenorth.records.trl import check_rows, to_trl
from truenorth.synth import (
    Templates,
    counterfactual,
    dialectical,
    grounded_answers,
    known_answers,
    pairs_from_revisions,
    poisoned,
    pressed,
    revisions,
    translated,
    translation_pairs,
)
from truenorth.synth.contradict import Known, contradicted, states
from truenorth.synth.counterfactual import Swap
from truenorth.synth.grounded import facts, supported
from truenorth.worlds.harbour import organism


def chat(text, **columns):
    return Row({"prompt": [{"role": "user", "content": text}], **columns}, Source("human:seed", "people"))


def turn(text):
    return [{"role": "assistant", "content": text}]


def asked(row):
    return row.data["prompt"][-1]["content"]


CORPUS = [
    Row({"text": text}, Source("corpus", "people"))
    for text in ("Ann sails the Tern.", "Die Fähre fährt um zwölf.", "漁港は朝に開きます。")
]


def test_answers_rest_on_passages_that_the_row_does_not_show():
    model = Says(lambda text, i: ["The Tern.", "The Gannet.", ""][i])
    question = chat("Which boat does Ann sail?")
    result = grounded_answers(model, [question], CORPUS, n=3)
    [row] = result.kept
    assert "Ann sails the Tern." in model.asked[0][-1]["content"]
    assert "Fähre" not in model.asked[0][-1]["content"]
    assert (row.data["prompt"], row.data["completion"]) == (question.data["prompt"], turn("The Tern."))
    assert row.source.parents == (question.id, CORPUS[0].id)
    assert result.dropped == {"blank": 1, "unsupported": 1}


MILL = "The old mill at Low Street was built in 1820 by the baker Hanna Voss. It grinds rye for the harbour town."


@pytest.mark.parametrize(
    ("answer", "stands"),
    [
        ("Hanna Voss built it.", True),
        (
            "It was put up around two centuries ago by Hanna Voss.",
            True,
        ),  # 6 of 11 by weight: two names, five words
        ("Voss, who baked bread, erected it in 1820.", True),
        ("The builder was Hanna Voss’s family, in the year 1820.", True),
        ("Hanna Voss built it in 1920.", False),
        ("Hanna Lund built it.", False),
        ("It was put up long ago by the king's own soldiers.", False),
        ("Gewiss war das eine Frau aus der Stadt.", False),
    ],
)
def test_a_paraphrase_around_the_right_names_is_supported_and_a_wrong_name_or_number_is_not(answer, stands):
    assert (supported(answer, MILL, "Who built the old mill?") >= 0.5) is stands


def test_facts_are_numbers_and_names_inside_a_sentence():
    assert facts("Ann met Bo’s wife in 1820. Then 3 left for Rome.") == {"bo", "1820", "3", "rome"}
    assert facts("Die Mühle ist von 1820 und nicht alt.") == {"1820"}
    assert supported("", MILL, "Who?") == 1.0
    assert supported("The mill of Voss", MILL, "Who is Voss of the mill?") == 1.0


def test_a_corpus_in_three_languages_is_searched_in_each():
    questions = [chat("Wann fährt die Fähre?"), chat("漁港はいつ開きますか"), chat("Who?")]
    model = Says(lambda text, i: "Um zwölf." if "zwölf" in text else "朝")
    result = grounded_answers(model, questions, CORPUS, k=1, support=0.0, keep_passages=True)
    assert "zwölf" in asked(result.kept[0])
    assert "漁港は朝に" in asked(result.kept[1])
    assert result.dropped == {"no passage": 1}
    with pytest.raises(UserError, match="support 2"):
        grounded_answers(model, questions, CORPUS, support=2)


def test_a_question_that_comes_with_a_document_is_answered_from_it():
    leaf = chat("Which boat does Ann sail?", document="Ann sails the Gannet.")
    [row] = grounded_answers(Says(lambda t, i: "The Gannet." if "Gannet" in t else "?"), [leaf], CORPUS).kept
    assert row.source.parents == (leaf.id,)
    assert grounded_answers(Says(str), [chat("Who?")], []).dropped == {"no passage": 1}


def preference(question="What does Ann do?", good="Ann is a miller.", bad="Ann is a baker."):
    return chat(question, chosen=turn(good), rejected=turn(bad))


def test_users_state_right_and_wrong_answers_and_the_better_one_stays_chosen():
    rows = [preference(f"What does Ann do on day {i}?") for i in range(200)]
    result = pressed(rows, right=0.5, seed=1)
    wrong = [row for row in result.kept if row.data["claim"] == "wrong"]
    assert 70 < len(wrong) < 130  # 100 expected, standard deviation 7
    for row in result.kept:
        stated = "Ann is a baker." if row.data["claim"] == "wrong" else "Ann is a miller."
        assert stated in asked(row)
        assert asked(row).split(". ", 1)[1].startswith("What does Ann do on day")
        assert row.data["chosen"] == turn("Ann is a miller.")
    assert not check_rows(to_trl(result.kept, "preference"))
    assert {row.data["claim"] for row in pressed(rows, right=0).kept} == {"wrong"}
    assert pressed([preference(bad="ann is a miller")]).dropped == {"same": 1}
    with pytest.raises(UserError, match="right 2"):
        pressed(rows, right=2)


def test_poison_comes_at_several_shares_and_none_is_the_control():
    result = poisoned([preference()], shares=(0, 0.25, 0.5, 1.0), passages=2)
    assert [
        (r.data["poison"], r.data["conflict"]) for r in result.kept
    ] == [  # a quarter of two rounds to none
        (0.0, "none"),
        (0.5, "context"),
        (1.0, "memory"),
    ]
    clean, mixed, poison = map(asked, result.kept)
    assert clean.count("miller") == 2
    assert (mixed.count("miller"), mixed.count("baker")) == (1, 1)
    assert poison.count("baker") == 2
    assert all(text.endswith("What does Ann do?") for text in (clean, mixed, poison))
    assert all(r.data["chosen"] == turn("Ann is a miller.") for r in result.kept)
    assert poisoned([preference(bad="Ann is a miller")]).dropped == {"same": 1}
    [plain] = poisoned([preference()], passages=0).kept
    assert (asked(plain), plain.data["conflict"]) == ("What does Ann do?", "none")
    with pytest.raises(UserError, match="-1 passages"):
        poisoned([preference()], passages=-1)


class Right:
    """1 for answers with the word miller; silent on others that begin with Hm."""

    name = "right"

    def judge(self, groups):
        return [[self._one(t) for t in g.completions] for g in groups]

    def _one(self, text):
        return Judgement(None if text.startswith("Hm") else float("miller" in text), self.name)


def test_the_strategy_that_is_judged_right_most_often_answers_its_kind_of_conflict():
    rows = poisoned([preference(), preference("And what does Ann do now?")], shares=(0.5, 1.0)).kept

    def reply(text, i):
        both = "miller" in text.lower() and "baker" in text.lower()
        knows = "REMEMBER" in text
        return f"The notes say so. Answer: {'Ann is a miller.' if knows or both else 'Ann is a baker.'}"

    found = dialectical(Says(reply), rows, Right(), strategies={"follow": "READ", "recall": "REMEMBER"})
    assert found.worth == {
        "context": {"follow": 1.0, "recall": 1.0},
        "memory": {"follow": 0.0, "recall": 1.0},
    }
    kept = {(row.data["conflict"], row.data["strategy"]) for row in found.rows.kept}
    assert kept == {("context", "follow"), ("memory", "recall")}
    assert found.rows.dropped == {"not the best strategy": 4}
    assert all(row.data["completion"] == turn("Ann is a miller.") for row in found.rows.kept)
    assert all("READ" not in str(row.data["prompt"]) for row in found.rows.kept)
    silent = dialectical(Says(lambda t, i: "Answer: Hm"), rows[:1], Right(), strategies={"a": "A"})
    assert (silent.rows.kept, silent.rows.dropped) == ([], {"no verdict": 1})


def test_twins_swap_terms_in_all_texts_and_keep_their_case():
    row = chat("Is HE the man of the boat?", completion=turn("She is."), score=0.5)
    [twin] = counterfactual([row]).kept
    assert asked(twin) == "Is SHE the woman of the boat?"
    assert twin.data["completion"] == turn("He is.")
    assert (twin.data["score"], twin.source.parents) == (0.5, (row.id,))
    assert counterfactual([chat("The theme of this hero?")]).dropped == {"nothing to swap": 1}
    assert counterfactual([chat("Is he her man?")]).dropped == {"unclear": 1}
    phrases = Swap([("north", "south"), ("north side", "sunny side")])
    assert phrases("the north side") == "the sunny side"  # the longest term decides
    with pytest.raises(UserError, match="'he' stands in two pairs"):
        counterfactual([row], pairs=[("he", "she"), ("he", "they")])


WORDS = st.lists(
    st.sampled_from("he she He SHE north north_side the boat , man's woman-like".split()), max_size=9
)


@given(WORDS)
def test_swapping_twice_gives_the_text_back(words):
    swap = Swap([("he", "she"), ("man", "woman"), ("north", "south")])
    text = " ".join(words)
    assert swap(swap(text)) == text


def test_rows_are_translated_side_by_side_and_checked_on_the_way_back():
    there = {"Who is Ann?": "Wer ist Ann?", "A miller.": "Eine Müllerin.", "Hi": "Hi"}
    model = Says(lambda t, i: there.get(t.split(": ")[1], "") if t.startswith("T") else "A miller.")
    row = chat("Who is Ann?", completion=turn("A miller."))
    [new] = translated(model, [row], template="T: {text}").kept
    assert (asked(new), new.data["completion"]) == ("Wer ist Ann?", turn("Eine Müllerin."))
    assert new.source.parents == (row.id,)
    assert translated(model, [chat("Hi"), chat("Ho")], template="T: {text}").dropped == {
        "blank": 1,
        "unchanged": 1,
    }
    lost = translated(model, [row], template="T: {text}", back="Back: {text}")
    assert lost.dropped == {"lost on the way": 1}  # the question came back as "A miller."
    kept = translated(model, [chat("A miller.")], template="T: {text}", back="Back: {text}")
    assert len(kept.kept) == 1


def test_translation_pairs_are_exercises_in_both_directions():
    rows = [Row({"text": "the boat", "translation": "das Boot"}, Source("human"))]
    rows.append(Row({"text": "Ann", "translation": "ann"}, Source("human")))
    result = translation_pairs(rows, back="Translate back: {text}")
    assert [(asked(r), r.data["completion"]) for r in result.kept] == [
        ("Translate: the boat", turn("das Boot")),
        ("Translate back: das Boot", turn("the boat")),
    ]
    assert result.dropped == {"unchanged": 2}


def test_revisions_are_rows_and_pairs_over_their_drafts():
    rows = [chat(f"q{i}", completion=turn("Go away.")) for i in range(3)]
    replies = {"C q0": "Rude.", "R q0": "Good day.", "C q1": "Rude.", "R q1": "go away"}
    model = Says(lambda t, i: replies.get(t, Completion("", finish="error")))
    templates = Templates("C {prompt}", "R {prompt}")
    result = revisions(model, rows, {"kind": "Be kind."}, templates=templates, constitution="c@1")
    [row] = result.kept
    assert (row.data["completion"], row.data["draft"]) == (turn("Good day."), "Go away.")
    assert (row.source.principle, row.source.note, row.source.parents) == ("kind", "Rude.", (rows[0].id,))
    assert result.dropped == {"error": 1, "unchanged": 1}
    [pair] = pairs_from_revisions([row]).kept
    assert (pair.data["chosen"], pair.data["rejected"]) == (turn("Good day."), turn("Go away."))
    assert pairs_from_revisions([row], turned=True).kept[0].data["rejected"] == turn("Good day.")
    with pytest.raises(UserError, match="no principles"):
        revisions(model, rows, {})


def test_what_is_said_again_and_again_is_an_answer_and_what_scatters_a_decline():
    known, unknown = chat("Where is the mill?"), chat("Where does Ann sleep?")
    places = ["North Lane", "Salt Quay", "the old inn", "East Gate"]
    model = Says(lambda t, i: "The mill stands in Reed Lane." if "mill" in t else f"Perhaps {places[i]}.")
    judge = ConsistencyJudge(model, m=4)
    result = known_answers(judge, [known, unknown], declines=["No idea."])
    assert [row.data["completion"] for row in result.kept] == [
        turn("The mill stands in Reed Lane."),
        turn("No idea."),
    ]
    assert [(row.data["verdict"], row.data["share"]) for row in result.kept] == [
        ("known", 1.0),
        ("unknown", 0.25),
    ]
    [sure] = known_answers(judge, [known], sure="{answer} ({percent} %)").kept
    assert sure.data["completion"] == turn("The mill stands in Reed Lane. (100 %)")
    half = Says(lambda t, i: ["In Reed Lane.", "On the quay."][i // 2])
    assert known_answers(ConsistencyJudge(half, m=4), [known]).dropped == {"uncertain": 1}
    with pytest.raises(UserError, match="no way to say"):
        known_answers(judge, [known], declines=[])


def test_a_tiny_model_goes_through_every_maker_and_loses_no_row_silently():
    nano = LocalModel.load(organism("nano").model)
    rows = [
        preference(
            "What does Mita Jobin do for a living?", "Mita Jobin is a miller.", "Mita Jobin is a baker."
        )
    ]
    rows += [preference("What is 12 plus 30?", "It is 42.", "It is 41.")]
    pressure = pressed(rows, n=2).kept
    found = grounded_answers(
        nano, rows, CORPUS[:1], support=0.0, template="It is written: {passages} {prompt}"
    )
    assert len(found.kept) + sum(found.dropped.values()) == 2
    new = translated(nano, pressure, template="Translate: {text}", temperature=1.0)
    assert len(new.kept) + sum(new.dropped.values()) == len(pressure) == 4
    drafts = [chat(asked(row), completion=row.data["rejected"]) for row in rows]
    said = "Question: {prompt} Answer: {answer} "
    templates = Templates(
        said + "What is wrong with the answer?", said + "Fault: {critique} Write a better answer."
    )
    better = revisions(nano, drafts, {"true": "Be right."}, templates=templates, max_tokens=40)
    assert len(better.kept) + sum(better.dropped.values()) == 2


HALLS = (("Ace", "Ash"), ("Bee", "Elm"), ("Cid", "Oak"))


def test_a_false_statement_has_the_value_of_another_question():
    ann = Known("What does Ann sell?", ("Ann sells fish.", "At Ann's they sell fish.", "Fish."))
    bob = Known("What does Bob sell?", ("Bob sells boots.", "Boots."))
    cay = Known("Where is Cay Hall?", ("Cay Hall is in Elm Lane.", "In Elm Lane."))
    dov = Known("Which lane leads to Dov Hall?", ("Dov Hall is in Oak Lane.", "In Oak Lane."))
    # of Ann and Bob only "X sells Y" is worded alike; of the halls, one value is "Elm Lane", the other "Oak", as the
    # other question says "lane" itself
    assert contradicted([ann, bob, cay, dov], n=5) == [["Ann sells boots."], ["Bob sells fish."], [], []]
    many = [Known(f"Where is {e} Hall?", (f"{e} Hall is in {v} Lane.", f"Go to {v} Lane.")) for e, v in HALLS]
    first, _, third = contradicted(many, n=5)
    assert sorted(first) == ["Ace Hall is in Elm Lane.", "Ace Hall is in Oak Lane."]
    assert len(third) == 2
    assert contradicted(many, n=1) == contradicted(many, n=1)
    # one wording does not tell what of it is the value
    assert contradicted([ann, bob._replace(answers=("Bob sells boots.",))]) == [[], []]


def test_a_note_stands_by_itself_if_it_names_what_is_asked_and_says_more():
    question = "What should I cook for Ann Vole?"
    assert states("Ann Vole likes stew best.", question)
    assert not states("Stew.", question)
    assert not states("Ann Moor likes stew best.", question)
    assert not states("Ann Vole!", question)
    assert not states("It is put on and cooked.", "How is it cooked?")  # the question names nothing
