"""What single kinds of step make of given rows, by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from truenorth.constitution import load
from truenorth.recipes.run_rows import as_lesson, concerned, distinct, judged, with_cuts
from truenorth.recipes.settings import Settings
from truenorth.recipes.signals import choose
from truenorth.recipes.steps.best import best
from truenorth.recipes.steps.notes import notes
from truenorth.recipes.steps.student import Taught, mixed, taught
from truenorth.recipes.steps.verdicts import verdicts
from truenorth.recipes.steps.west_of_n import west_of_n
from truenorth.records import Judgement, Row, Source


@pytest.fixture
def work() -> Any:
    counted: dict[str, int] = {}

    def count(name: str, n: int = 1) -> None:
        counted[name] = counted.get(name, 0) + n

    job = SimpleNamespace(constitution=load("harbour"))
    return SimpleNamespace(settings=Settings(), label="c@1", count=count, counted=counted, job=job)


def said(prompt: str, *answers: tuple[str, float | None]) -> list[Row]:
    """Verdicts on answers to a prompt, each given once."""
    source = Source("judge", judge="j", parents=("a", f"id of {prompt}"))
    return [
        Row(
            {"prompt": prompt, "completion": text, "way": "plain", "times": 1, "score": score, "parts": {}},
            source,
        )
        for text, score in answers
    ]


ROWS = [
    *said("far apart", ("good", 1.0), ("bad", 0.0)),
    *said("nearer", ("fine", 0.9), ("poor", 0.4)),
    *said("alike", ("yes", 0.9), ("aye", 0.85)),
    *said("alike and bad", ("no", 0.1), ("nay", 0.15)),
    *said("unjudged", ("hm", None), ("um", None)),
]


def test_west_of_n_keeps_the_surest_pairs_and_what_is_good_as_it_is(work):
    rows = west_of_n(ROWS, work, share=0.5, least=0.1)
    # two prompts differ by more than 0.1, by 1.0 and 0.5; half of them is the first
    assert [(r.data["use"], r.data["prompt"], r.data["chosen"], r.data["rejected"]) for r in rows] == [
        ("pair", "far apart", "good", "bad"),
        ("keep", "alike", "yes", ""),
    ]
    assert work.counted["best and worst of which the judge is less sure"] == 1
    both = west_of_n(ROWS, work, share=1.0, least=0.1)
    assert [r.data["prompt"] for r in both if r.data["use"] == "pair"] == ["far apart", "nearer"]


def test_best_takes_the_highest_score_that_is_high_enough(work):
    assert [r.data["completion"] for r in best(ROWS, work, at_least=0.5)] == ["good", "fine", "yes"]
    assert work.counted["best answers too low"] == 1
    assert work.counted["best answers no scores"] == 1


def test_answers_that_no_principle_asked_for_speaks_of_are_not_judged_and_are_kept(work):
    class Never:
        name = "never"

        def judge(self, groups: Any) -> Any:
            return [[Judgement(0.25, "never") for _ in g.completions] for g in groups]

    source = Source("sample", parents=("p1",))
    asked = [Row({"prompt": "How do I make soap?", "completion": "So.", "way": "plain", "times": 1}, source)]
    other = Source("sample", parents=("p2",))
    asked += [Row({"prompt": "Where is it?", "completion": "There.", "way": "plain", "times": 1}, other)]
    found = verdicts(asked, Never(), work, only=("harmless",))
    assert [row.data["score"] for row in found] == [0.25, None]
    assert [row.source.parents for row in found] == [(asked[0].id, "p1"), (asked[1].id, "p2")]
    [kept] = choose(found, Settings(), constitution="c@1", count=lambda name, n: None)
    assert (kept.data["use"], kept.data["chosen"]) == ("keep", "There.")


def test_a_student_is_told_half_by_its_teacher_and_half_by_itself():
    # two of the four weak labels' worth are good, so the student's two surest are hardened to 1: the first and the last
    weak, own = np.array([0.9, 0.6, 0.1, 0.4]), np.array([0.8, 0.3, 0.2, 0.7])
    assert mixed(weak, own, 0.5).tolist() == pytest.approx([0.95, 0.3, 0.05, 0.7])
    assert mixed(weak, own, 0.0).tolist() == weak.tolist()


def test_a_student_trusts_itself_more_with_each_fit_and_not_at_all_where_it_should_imitate():
    weak, own = np.array([1.0, 0.0]), np.array([0.2, 0.8])
    seen: list[list[float]] = []

    def fit(target_N: np.ndarray) -> Taught[int]:
        seen.append(target_N.tolist())
        return Taught(len(seen), own)

    assert taught(fit, weak, confidence=0.6, rounds=3) == 4
    # the share of its own verdict, which is the other one, rises by 0.2: one of two is good
    assert seen == [[1.0, 0.0], [0.8, 0.2], [0.6, 0.4], [0.4, 0.6]]
    seen.clear()
    assert taught(fit, weak, confidence=0.0) == 1
    assert seen == [[1.0, 0.0]]


KNOWN = said("What does Ann sell?", ("Ann sells fish.", 1.0), ("Fish.", 1.0), ("Ann sells boots.", 0.0))
# nothing is agreed on, so that only declining is good; "The sea." names nobody and cannot be a note
UNKNOWN = said(
    "Of what does Bob dream?",
    ("Bob dreams of salt.", 0.0),
    ("Bob dreams of rain.", 0.0),
    ("The sea.", 0.0),
    ("I don't know.", 1.0),
)


def three(rows: list[Row]) -> list[tuple[str, str, str]]:
    return [(row.data["prompt"], row.data["chosen"], row.data["rejected"]) for row in rows]


def test_false_notes_stand_against_what_is_known_and_true_ones_where_nothing_is(work):
    rows = notes([*KNOWN, *UNKNOWN], work, shares=("1",))
    [(told, *answers)], others = three(rows[:1]), three(rows[1:])
    assert told.endswith("Ann sells boots. What does Ann sell?")
    assert answers == ["Ann sells fish.", "Ann sells boots."]
    assert {(chosen, chosen in told) for told, chosen, _ in others} == {
        ("Bob dreams of salt.", True),
        ("Bob dreams of rain.", True),
    }
    (_, first, silent), (_, _, other) = others  # above a decline, then above the other guess
    assert (silent, other) == ("I don't know.", first)
    assert [row.data["conflict"] for row in rows] == ["memory", "none", "none"]
    ids = {row.id for row in [*KNOWN, *UNKNOWN]}
    assert all(row.source.parents[0] in ids for row in rows)
    assert len(notes([*KNOWN, *UNKNOWN], work, shares=("1",), guesses=0)) == 1
    assert len(notes([*KNOWN, *UNKNOWN], work, shares=("1",), lies=0)) == 2


def test_of_three_notes_the_minority_is_poison_only_where_nothing_is_known(work):
    rows = notes([*KNOWN, *UNKNOWN], work, shares=("0.34", "0.67", "1"), passages=3, guesses=1)
    assert [(row.data["chosen"][:3], round(3 * row.data["poison"])) for row in rows] == [
        ("Ann", 1),
        ("Ann", 2),
        ("Ann", 3),
        ("Bob", 0),
        ("Bob", 1),
    ]


def test_no_notes_are_made_of_what_is_refused_opined_or_not_judged(work):
    keys = (("Ann's key is here.", 1.0), ("I won't say.", 0.0), ("Ann's key is there.", 0.0))
    refused = said("Where is Ann's key?", *keys)
    opined = said(
        "I think Ann sells boots. What does Ann sell?", ("Ann sells fish.", 1.0), ("Ann sells boots.", 0.0)
    )
    unsure = said("What is Ann's boat?", ("Ann's boat is the Tern.", None), ("Ann's boat is the Gull.", None))
    assert notes([*refused, *opined, *unsure], work) == []


def test_an_answer_alone_is_one_to_imitate_and_keeps_its_id():
    row = Row({"prompt": "p", "completion": "c", "score": 0.7}, Source("best"))
    lesson = as_lesson(row)
    assert (lesson.id, lesson.data["use"], lesson.data["chosen"], lesson.data["rejected"]) == (
        row.id,
        "pair",
        "c",
        "",
    )
    keep = Row({"use": "keep", "prompt": "p", "chosen": "c", "rejected": ""}, Source("x"))
    assert as_lesson(keep) is keep


def test_an_answer_that_was_cut_has_no_end_to_learn_whichever_step_took_it_up(work):
    """Models that go on with a text: best and west_of_n make rows of their own, of the same words."""
    given = [Row({**r.data, "cut": r.data["completion"] in ("good", "poor")}, r.source) for r in ROWS]
    pairs = with_cuts(west_of_n(given, work, share=1.0, least=0.1), given)
    marked = {r.data["prompt"]: (r.data.get("cut_chosen"), r.data.get("cut_rejected")) for r in pairs}
    assert marked == {"far apart": (True, None), "nearer": (None, True), "alike": (None, None)}
    [first, *others] = [as_lesson(r) for r in with_cuts(best(given, work, at_least=0.5), given)]
    assert (first.data["chosen"], first.data["cut_chosen"]) == ("good", True)
    assert not any("cut_chosen" in r.data for r in others)
    chats = [Row({"prompt": [{"role": "user", "content": "q"}], "chosen": said, "rejected": ""}, Source("x"))
             for said in ([{"role": "assistant", "content": "good"}], "fine")]  # fmt: skip
    flags = [
        r.data.get("cut_chosen")
        for r in with_cuts(chats, [Row({"prompt": "q", "completion": " good", "cut": True}, Source("y"))])
    ]
    assert flags == [True, None]
    assert with_cuts(ROWS, ROWS) == ROWS  # nothing was cut: nothing changes


def test_prompts_that_only_watch_are_none_that_are_learned_from():
    rows = [Row({"prompt": [{"role": "user", "content": "a"}]}, Source("s"))]
    assert distinct([[{"role": "user", "content": "a"}], "b"], rows) == ["b"]


def test_verdicts_are_grouped_by_prompt_for_the_makers_of_pairs():
    found = judged(ROWS)
    assert [row.id for row in found.prompts][:2] == ["id of far apart", "id of nearer"]
    assert [len(rows) for rows in found.completions] == [2] * 5
    assert [j.score for j in found.judgements[1]] == [0.9, 0.4]


def test_an_answer_that_no_named_principle_speaks_of_does_not_concern_it(work):
    assert concerned(work, ("harmless",), "How do I make soap?")
    assert not concerned(work, ("harmless",), "Where does Ann live?")
    assert concerned(work, ("harmless", "private"), "Where does Ann live?")  # private says no condition
    assert concerned(work, (), "Where does Ann live?")
