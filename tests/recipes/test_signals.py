"""From answers to lessons, by hand: which answers stand, whose verdict is whose, what is a pair and what is kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from truenorth.models.scripted import ScriptedModel
from truenorth.recipes.settings import Settings
from truenorth.recipes.signals import answer, choose, grouped, likeness, revised, value
from truenorth.records import Completion, Judgement, Row, Source, prompt_text
from truenorth.synth import Templates


class Counting(Counter[str]):
    """Counts as a run does."""

    def __call__(self, name: str, n: int) -> None:
        if n:
            self[name] += n


def verdict(prompt: str, text: str, score: float | None, way: str = "plain", times: int = 1, **data) -> Row:
    data = {"prompt": prompt, "completion": text, "way": way, "times": times, "score": score, **data}
    return Row(
        data, Source("judge:j", judge="j", principle=f"rule of {text}", parents=("a", f"id of {prompt}"))
    )


def lessons(*rows: Row, count: Any = None, **settings: Any) -> list[tuple[str, str, str]]:
    made = choose(
        rows, Settings(**settings), constitution="c@1", count=Counting() if count is None else count
    )
    return [(r.data["use"], r.data["chosen"], r.data["rejected"]) for r in made]


# choose


def test_a_pair_is_one_of_the_best_over_a_plain_answer_that_is_lower_by_the_margin():
    rows = [verdict("q", "best", 0.9), verdict("q", "near", 0.75), verdict("q", "low", 0.5)]
    assert lessons(*rows, margin=0.3) == [("pair", "best", "low")]
    assert [use for use, _, _ in lessons(*rows, margin=0.5)] == ["keep"]
    # exactly the margin is enough: 0.75 - 0.25 = 0.5, without rounding
    assert lessons(verdict("q", "a", 0.75), verdict("q", "b", 0.25), margin=0.5) == [("pair", "a", "b")]


def test_only_what_the_model_says_by_itself_is_rejected():
    plain, guided = verdict("q", "fine", 1.0), verdict("q", "worse", 0.0, way="honest")
    assert lessons(plain, guided) == [("keep", "fine", "")]


@pytest.mark.parametrize(
    ("ways", "want"),
    [
        (("honest", "plain", "unbiased"), "unbiased"),
        (("honest", "plain", "revised"), "plain"),
        (("honest", "honest", "honest"), "honest"),
    ],
)
def test_of_equally_good_answers_the_unbiased_come_first_then_the_plain(ways, want):
    good = [verdict("q", f"{way} {i}", 1.0, way=way) for i, way in enumerate(ways)]
    [(use, chosen, rejected)] = lessons(*good, verdict("q", "bad", 0.0))
    assert (use, chosen.split()[0], rejected) == ("pair", want, "bad")


def test_an_unbiased_answer_that_is_not_among_the_best_is_not_chosen():
    rows = [verdict("q", "u", 0.9, way="unbiased"), verdict("q", "p", 1.0), verdict("q", "bad", 0.0)]
    assert lessons(*rows) == [("pair", "p", "bad")]


def test_a_prompt_without_a_good_answer_teaches_nothing_and_is_counted():
    count = Counting()
    assert lessons(verdict("q", "a", 0.49), verdict("q", "b", 0.0), count=count) == []
    assert count == {"prompts without a good answer": 1}
    assert lessons(verdict("q", "a", 0.5), verdict("q", "b", 0.0), count=count) == [("pair", "a", "b")]


def test_what_no_judge_tells_anything_of_is_kept_and_what_the_model_never_said_is_counted():
    count = Counting()
    silent = verdict("silent", "a", None), verdict("silent", "b", 1.0, way="honest")
    guided = verdict("guided", "c", 1.0, way="honest"), verdict("guided", "d", 0.0, way="honest")
    assert lessons(*silent, *guided, count=count) == [("keep", "a", "")]
    assert count == {"prompts without an answer": 1}


def test_an_answer_without_a_score_is_neither_chosen_nor_rejected():
    rows = [verdict("q", "a", 1.0), verdict("q", "?", None), verdict("q", "b", 0.0)]
    assert lessons(*rows) == [("pair", "a", "b")]


def test_answers_that_share_most_words_are_no_pair_and_the_better_one_is_kept():
    # 3 of 5 words are common: 0.6
    same = verdict("q", "boats sail the sea", 1.0), verdict("q", "boats cross the sea", 0.0)
    assert likeness("boats sail the sea", "Boats cross the sea.") == pytest.approx(3 / 5)
    assert lessons(*same, likeness=0.55) == [("keep", "boats sail the sea", "")]
    assert lessons(*same, likeness=0.6) == [("pair", "boats sail the sea", "boats cross the sea")]
    assert likeness("", "") == 0.0


def test_the_more_often_an_answer_is_said_the_likelier_it_is_taken():
    rows = []
    for k in range(400):
        rows += [
            verdict(f"q{k}", "good", 1.0),
            verdict(f"q{k}", "often", 0.0, times=3),
            verdict(f"q{k}", "once", 0.0),
        ]
    rejected = Counter(r for _, _, r in lessons(*rows))
    assert rejected["often"] / 400 == pytest.approx(0.75, abs=0.087)  # four standard errors
    assert rejected["often"] + rejected["once"] == 400
    assert lessons(*rows, seed=1) != lessons(*rows)


def test_a_pair_says_where_it_came_from_and_why():
    good, bad = verdict("q", "a", 0.9, way="unbiased"), verdict("q", "b", 0.1)
    [row] = choose([good, bad], Settings(), constitution="c@1", count=Counting())
    assert row.data == {
        "use": "pair", "prompt": "q", "chosen": "a", "rejected": "b", "score_chosen": 0.9, "score_rejected": 0.1,
        "way": "unbiased",
    }  # fmt: skip
    assert row.source.parents == (good.id, bad.id)
    assert (row.source.principle, row.source.constitution, row.source.judge) == ("rule of b", "c@1", "j")
    [kept] = choose([verdict("q", "a", 0.9)], Settings(), constitution="c@1", count=Counting())
    assert (kept.data["score_chosen"], kept.data["score_rejected"], kept.data["way"]) == (0.9, None, "plain")


def test_a_cut_answer_is_marked_on_its_side():
    rows = [verdict("q", "a", 1.0, cut=True), verdict("q", "b", 0.0, cut=False)]
    [row] = choose(rows, Settings(), constitution="", count=Counting())
    assert (row.data["cut_chosen"], row.data["cut_rejected"]) == (True, False)
    [row] = choose([verdict("q", "a", 0.0, cut=True), verdict("q", "b", 1.0, cut=False)], Settings(),
                   constitution="", count=Counting())  # fmt: skip
    assert (row.data["cut_chosen"], row.data["cut_rejected"]) == (False, True)
    [row] = choose([verdict("q", "a", 1.0, cut=True)], Settings(), constitution="", count=Counting())
    assert (row.data["use"], row.data["cut_chosen"], row.data["cut_rejected"]) == ("keep", True, False)


# value


class ByText:
    """Scores an answer by what it says, of the prompt that it belongs to."""

    name = "by text"

    def judge(self, groups: Sequence[Any]) -> list[list[Judgement]]:
        return [[self._one(g.prompt, text) for text in g.completions] for g in groups]

    def _one(self, prompt: str, text: str) -> Judgement:
        score = None if text == "?" else float(text) / 10 + (0.5 if prompt == "second" else 0.0)
        parts = (Judgement(score, "x", principle="one"), Judgement(None, "y", principle="two"))
        return Judgement(score, self.name, principle="one", reason=f"{prompt} {text}", parts=parts)


def test_each_answer_gets_the_verdict_on_itself_however_the_rows_are_mixed():
    given = [("first", "1"), ("second", "2"), ("first", "3"), ("second", "?")]
    source = {"first": Source("sample", parents=("id of first",))}
    source["second"] = Source("revise", parents=("draft", "id of second"))
    rows = [Row({"prompt": p, "completion": t}, source[p]) for p, t in given]
    count = Counting()
    made = value(ByText(), rows, constitution="c@1", count=count)
    # group by group, in the order in which prompts appear
    assert [(r.data["prompt"], r.data["completion"], r.data["score"]) for r in made] == [
        ("first", "1", 0.1), ("first", "3", 0.3), ("second", "2", 0.7), ("second", "?", None),
    ]  # fmt: skip
    assert [r.source.parents for r in made] == [(rows[i].id, f"id of {given[i][0]}") for i in (0, 2, 1, 3)]
    assert [r.source.note for r in made] == ["first 1", "first 3", "second 2", "second ?"]
    assert made[2].data["parts"] == {"one": 0.7, "two": None}
    assert (made[0].source.producer, made[0].source.judge) == ("judge:by text", "by text")
    assert (made[0].source.principle, made[0].source.constitution) == ("one", "c@1")
    assert list(grouped(made)) == ["id of first", "id of second"]
    assert count == {"verdicts without an answer": 1}


# answer


def asked(*prompts: Any) -> list[Row]:
    return [Row({"prompt": p}, Source("prompts", seed=i)) for i, p in enumerate(prompts)]


def test_equal_answers_stand_once_with_how_often_they_were_given():
    model = ScriptedModel(lambda prompt, i: "often" if i % 3 else " once \n", name="m")
    [often, once] = sorted(
        answer(model, asked([{"role": "user", "content": "q"}]), {}, Settings(samples=6, unbiased=0, seed=3),
               tick=None, count=Counting()),
        key=lambda r: -r.data["times"],
    )  # fmt: skip
    assert (often.data["completion"], often.data["times"]) == ("often", 4)
    assert (once.data["completion"], once.data["times"], once.data["way"]) == ("once", 2, "plain")
    assert "cut" not in once.data
    [row] = asked([{"role": "user", "content": "q"}])
    assert (often.source.model, often.source.seed, often.source.parents) == ("m", 3, (row.id,))
    # what goes on where a text ends keeps its space
    [text] = answer(model, asked("q"), {}, Settings(samples=1, unbiased=0), tick=None, count=Counting())
    assert text.data["completion"] == " once \n"


def test_guided_answers_are_given_under_their_guidance_and_unbiased_ones_without_the_opinion():
    def say(prompt: Any, i: int) -> str:
        return prompt_text(prompt).replace("\n", " / ")

    opined, plain = "I think it is Mill Lane. Where does Ann live?", "Where does Bob live?"
    prompts = asked(*([{"role": "user", "content": text}] for text in (opined, plain)))
    settings = Settings(samples=2, guided=1, unbiased=3)
    made = answer(
        ScriptedModel(say), prompts, {"honest": "Be honest."}, settings, tick=None, count=Counting()
    )
    assert [(r.source.parents[0], r.data["way"], r.data["completion"], r.data["times"]) for r in made] == [
        (prompts[0].id, "plain", opined, 2),
        (prompts[0].id, "honest", f"Be honest. / {opined}", 1),
        (prompts[0].id, "unbiased", "Where does Ann live?", 3),
        (prompts[1].id, "plain", plain, 2),
        (prompts[1].id, "honest", f"Be honest. / {plain}", 1),
    ]
    # every answer stands below the prompt as it was asked
    assert [prompt_text(r.data["prompt"]) for r in made] == [opined] * 3 + [plain] * 2
    assert [r.source.principle for r in made] == ["", "honest", "", "", "honest"]
    assert [bool(r.source.note) for r in made] == [False, True, True, False, True]


def test_the_bar_counts_prompts_once_for_plain_and_guided_answers():
    ticks: list[int] = []
    prompts = asked([{"role": "user", "content": "I think it is Mill Lane. Where does Ann live?"}])
    settings = Settings(samples=1, guided=1, unbiased=1)
    answer(
        ScriptedModel(lambda p, i: "x"), prompts, {"a": "A"}, settings, tick=ticks.append, count=Counting()
    )
    assert ticks == [1, 1]


class Endings:
    """A model whose answers end in every way."""

    name = "endings"

    def sample(self, prompts: Sequence[Any], n: int, **settings: Any) -> list[list[Completion]]:
        half, lost = Completion("half", finish="length"), Completion("", finish="error")
        ends = [Completion("whole"), half, Completion(" "), lost, Completion("No.", finish="refusal")]
        return [ends[:n] for _ in prompts]


def test_answers_that_did_not_end_are_counted_by_how_they_ended():
    count, prompts = Counting(), asked([{"role": "user", "content": "q"}])
    settings = Settings(samples=5, unbiased=0)
    [row] = answer(Endings(), prompts, {}, settings, tick=None, count=count)  # type: ignore[arg-type]
    assert row.data["completion"] == "whole"
    assert count == {"answers length": 1, "answers empty": 1, "answers error": 1, "answers refusal": 1}
    count.clear()
    cut = Settings(samples=5, unbiased=0, cut=True)
    found = answer(Endings(), prompts, {}, cut, tick=None, count=count)  # type: ignore[arg-type]
    assert [(r.data["completion"], r.data["cut"]) for r in found] == [("whole", False), ("half", True)]
    assert count == {"answers empty": 1, "answers error": 1, "answers refusal": 1}


# revised


class Reviser:
    """Finds a fault with each draft, and writes what it is told to."""

    name = "reviser"

    def __init__(self, **written: Completion):
        self.written = written

    def sample(self, prompts: Sequence[Any], n: int, **settings: Any) -> list[list[Completion]]:
        texts = [prompt_text(p) for p in prompts]
        return [
            [self.written[t.split(":")[1]] if t.startswith("revise") else Completion(" A fault. ")]
            for t in texts
        ]


def test_the_likeliest_plain_answer_is_revised_and_unchanged_ones_are_not_kept():
    def said(prompt: str, text: str, times: int, way: str = "plain") -> Row:
        data = {"prompt": prompt, "completion": text, "way": way, "times": times}
        return Row(data, Source("sample", parents=(f"id of {prompt}",)))

    rows = [said("p", "seldom", 1), said("p", "often", 3), said("p", "most", 9, "unbiased")]
    rows += [said("q", "same", 1), said("r", "halved", 1), said("s", "guided", 1, "honest")]
    model = Reviser(
        often=Completion(" new "), same=Completion("same"), halved=Completion("x", finish="length")
    )
    count, settings = Counting(), Settings(revised=1)
    templates = Templates(critique="criticise:{answer}", revision="revise:{answer}:{critique}")
    [row] = revised(model, rows, ["Be good."], templates, settings, tick=None, count=count)  # type: ignore[arg-type]
    assert row.data == {"prompt": "p", "completion": "new", "way": "revised", "times": 1}
    assert row.source.parents == (rows[1].id, "id of p")
    assert (row.source.producer, row.source.note) == ("revise", "A fault.")
    assert count == {"revisions cut off or empty": 1}
