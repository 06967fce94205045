"""Rows by scores, votes and certainty: who stays, who goes, and why."""

import pytest

from truenorth.base import UserError
from truenorth.records import Judgement, Row, Source
from truenorth.synth.confidence import certain, nats_a_word, risk_coverage, self_consistent, vote
from truenorth.synth.scores import by_score, complexity, deita, evol_scores, quality, turns


class Lengths:
    """Scores by the number of words; says nothing of an answer that has none."""

    name = "lengths"

    def judge(self, groups):
        self.asked = [(group.prompt, group.completions[0]) for group in groups]
        return [[Judgement(float(len(t.split())) or None, self.name) for t in g.completions] for g in groups]


def row(**data):
    return Row(data, Source("human"))


CHAT = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "one two three"},
    {"role": "assistant", "content": "one two"},
    {"role": "user", "content": "one"},
    {"role": "assistant", "content": "one two three four"},
]


def test_a_score_is_complexity_times_quality_summed_over_turns():
    rows = [row(prompt="a b", completion="c d e"), row(messages=CHAT), row(prompt="a", completion="")]
    judge = Lengths()
    c, q = complexity(rows, judge), quality(rows, judge)
    assert (c, q) == ([[2], [3, 1], [1]], [[3], [2, 4], [None]])
    assert evol_scores(c, q) == [6, 3 * 2 + 1 * 4, None]
    assert judge.asked[2] == (CHAT[:4], "one two three four")
    assert evol_scores([[]], [[]]) == [None]


def test_pairs_are_scored_by_their_chosen_answer():
    [turn] = turns(row(prompt="Who?", chosen="Ann.", rejected="Nobody."))
    assert (turn.request, turn.answer) == ("Who?", "Ann.")


def test_no_score_is_not_a_low_score():
    rows = [row(prompt=str(i)) for i in range(5)]
    result = by_score(rows, [0.2, None, 0.9, 0.5, 0.9], least=0.5)
    assert ([r.data["prompt"] for r in result.kept], result.dropped) == (
        ["2", "3", "4"],
        {"low": 1, "no score": 1},
    )
    best = by_score(
        rows, [0.2, None, 0.9, 0.5, 0.9], share=0.25
    )  # one of the four with a score, the first of equals
    assert [r.data["prompt"] for r in best.kept] == ["2"]
    for wrong in ({}, {"least": 1, "share": 1}, {"share": 0}):
        with pytest.raises(UserError, match="expected one of them"):
            by_score(rows, [1] * 5, **wrong)


def test_deita_takes_the_best_that_are_not_alike():
    texts = [
        "Where does Ann Grey live now?",
        "Where does Ann Grey live, now?",
        "Bake bread with rye.",
        "What is 3 plus 4?",
        "?",
    ]
    rows = [row(prompt=t) for t in texts]
    result = deita(rows, [1.0, 2.0, 3.0, 0.5, None], 2)
    # by score: bread (3), Grey with a comma (2), the other Grey (1; not looked at), sum (0.5)
    assert [r.data["prompt"] for r in result.kept] == [texts[1], texts[2]]
    assert result.dropped == {"low": 2, "no score": 1}
    result = deita(rows, [1.0, 2.0, 3.0, 0.5, None], 3)
    assert [r.data["prompt"] for r in result.kept] == [texts[1], texts[2], texts[3]]
    assert result.dropped == {"like a better one": 1, "no score": 1}
    assert deita(rows, [1.0] * 5, 0).dropped == {"low": 5}


def test_votes_do_not_depend_on_the_order():
    answers = ["8", "It is 7.", "7", "nothing"]

    def number(text):
        return next((w.strip(".") for w in text.split() if w.strip(".").isdigit()), None)

    assert vote(answers, read=number) == ("7", 0.5, (1, 2))
    assert vote(answers[::-1], read=number)[:2] == ("7", 0.5)
    assert vote(["7", "8"], read=number, logprobs=[-9.0, -2.0]).answer == "8"
    assert vote(["8", "7"], read=number).answer == "7"
    assert vote(["none"], read=number) == (None, 0.0, ())
    assert vote(["only one"]) == ("only one", 1.0, (0,))  # m = 1 is plain sampling


def test_self_consistent_rows_are_the_likeliest_of_the_majority():
    def group(*said):
        return [row(prompt="q", completion=text, logprob=p) for text, p in said]

    groups = [
        group(("7", -5.0), ("7!", -1.0), ("8", -0.1)),
        group(("7", -1.0), ("8", -1.0), ("9", -1.0)),
        group(("", -1.0), ("?", -1.0)),
    ]
    result = self_consistent(groups, least=0.6)
    assert [r.data["completion"] for r in result.kept] == ["7!"]
    assert result.dropped == {"no majority": 1, "no answer": 1}


def test_the_surest_stay_and_a_random_slice_of_the_others():
    rows = [row(prompt=str(i)) for i in range(2000)]
    u = [float(i) if i else None for i in range(2000)]
    result = certain(rows, u, share=0.5, at_random=0.1, seed=1)
    numbers = [int(r.data["prompt"]) for r in result.kept]
    assert set(range(1, 1001)) <= set(numbers)
    assert 60 < len(numbers) - 1000 < 140  # a tenth of 999; 5 % and 95 % of it are 85 and 115
    assert numbers == sorted(numbers)
    assert result.dropped["unknown"] == 1
    assert len(certain(rows, u, at_random=0).kept) == 1000


def test_nats_a_word():
    assert nats_a_word(row(completion="one two", logprob=-3.0)) == 1.5
    assert nats_a_word(row(completion="", logprob=-3.0)) is None
    assert nats_a_word(row(completion="one")) is None


def test_risk_against_coverage_on_paper():
    found = risk_coverage([0.1, 0.2, 0.3, 0.4], [True, False, True, False])
    assert found.risk == pytest.approx([0, 1 / 2, 1 / 3, 1 / 2])
    assert found.area == pytest.approx(1 / 3)
    assert found.coverage == [0.25, 0.5, 0.75, 1.0]
    same = risk_coverage([1.0, 1.0, 1.0, 1.0], [True, False, True, False])
    assert same.risk == pytest.approx([0.5] * 4)  # no order among equals
