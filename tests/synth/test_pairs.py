"""Pairs from scores: what makes one, what does not, and what each remembers."""

from itertools import permutations

import pytest

from truenorth.base import UserError
from truenorth.records import Judgement, Row, Source
from truenorth.synth.pairs import best_answers, pairs_from_scores

PROMPT = Row({"prompt": "Why?"}, Source("human:seed"))
CHAT = Row({"prompt": [{"role": "user", "content": "Why?"}]}, Source("human:seed"))


def case(scores, *, prompt=PROMPT, principle="kind"):
    """Completions t0, t1, ... (or the keys of a dict) with these scores."""
    named = scores if isinstance(scores, dict) else {f"t{i}": s for i, s in enumerate(scores)}
    source = Source("sample", model="m@1", parents=(prompt.id,))
    rows = [Row({"completion": t, "index": i}, source) for i, t in enumerate(named)]
    return prompt, rows, [Judgement(s, "j", principle) for s in named.values()]


def pairs(*cases, **settings):
    prompts, rows, verdicts = zip(*cases) if cases else ((), (), ())
    return pairs_from_scores(prompts, rows, verdicts, **settings)


def test_the_best_is_chosen_over_the_worst_and_the_pair_knows_its_parents():
    prompt, rows, verdicts = case([0.5, 0.9, 0.1])
    [pair] = pairs((prompt, rows, verdicts), constitution="c@1#x", seed=3).kept
    assert pair.data == {
        "prompt": "Why?",
        "chosen": "t1",
        "rejected": "t2",
        "score_chosen": 0.9,
        "score_rejected": 0.1,
    }
    assert pair.source == Source(
        "pairs",
        model="m@1",
        judge="j",
        principle="kind",
        constitution="c@1#x",
        seed=3,
        parents=(prompt.id, rows[1].id, rows[2].id),
    )


def test_a_chat_gives_turns():
    [pair] = pairs(case([1.0, 0.0], prompt=CHAT)).kept
    assert pair.data["chosen"] == [{"role": "assistant", "content": "t0"}]


@pytest.mark.parametrize(
    ("scores", "reason"),
    [
        ([], "no scores"),
        ([None, None], "no scores"),
        ([0.7, None], "one answer"),
        ([0.7, 0.7, 0.7], "tie"),
        ({"": 1.0, "a": 0.1}, "one answer"),
        ({"Same.": 0.5, "same": 0.5}, "one answer"),
        ({"Same.": 0.9, "same": 0.1}, "no scores"),  # a judge at odds with itself says nothing
        ([1.0, 0.0][:1], "one answer"),
    ],
)
def test_no_pair_without_two_answers_that_differ(scores, reason):
    result = pairs(case(scores))
    assert (result.kept, result.dropped) == ([], {reason: 1})


def test_the_margin_is_exclusive():
    assert pairs(case([0.75, 0.25]), margin=0.5).dropped == {"tie": 1}
    assert len(pairs(case([0.75, 0.24]), margin=0.5).kept) == 1


def test_several_pairs_go_inwards_until_the_margin():
    result = pairs(case([0.0, 0.2, 0.5, 0.5, 0.8, 1.0]), max_pairs=9)
    assert [(p.data["score_chosen"], p.data["score_rejected"]) for p in result.kept] == [
        (1.0, 0.0),
        (0.8, 0.2),
    ]
    assert len(pairs(case([0.0, 0.2, 0.8, 1.0]), max_pairs=1).kept) == 1


def test_neither_the_order_of_completions_nor_of_prompts_matters():
    prompt, rows, verdicts = case([0.2, 0.9, 0.9, 0.2, None])
    other = case([0.3, 0.6], prompt=CHAT)
    expected = {p.id for p in pairs((prompt, rows, verdicts), other).kept}
    for order in permutations(range(5)):
        shuffled = (prompt, [rows[i] for i in order], [verdicts[i] for i in order])
        assert {p.id for p in pairs(other, shuffled).kept} == expected


def test_ties_at_the_top_are_broken_by_seed_not_by_position():
    chosen = {pairs(case([1.0] * 8 + [0.0]), seed=s).kept[0].data["chosen"] for s in range(40)}
    assert len(chosen) > 4


def part(**scores):
    return tuple(Judgement(s, "c", principle) for principle, s in scores.items())


def judged(a, b):
    rows = case([0, 0])[1]
    return pairs_from_scores([PROMPT], [rows], [[a, b]])


def test_the_principle_of_a_pair_is_the_one_that_set_its_answers_apart():
    better = Judgement(0.9, "c", "brief", parts=part(kind=1.0, brief=0.8))
    worse = Judgement(0.2, "c", "brief", parts=part(kind=0.0, brief=0.8))
    assert judged(better, worse).kept[0].source.principle == "kind"


def test_an_abstention_is_not_a_reason_to_prefer():
    silent = Judgement(0.9, "c", "brief", parts=part(honest=None, brief=0.9))
    caught = Judgement(0.45, "c", "honest", parts=part(honest=0.0, brief=0.9))
    assert judged(silent, caught).dropped == {"not comparable": 1}


def test_impossible_settings_are_refused():
    with pytest.raises(UserError, match="margin -1"):
        pairs(margin=-1)
    assert pairs() == ([], {})


def test_the_best_answer_is_kept_if_it_is_good_enough():
    result = best_answers(*zip(case([0.2, 0.8]), case([0.1, 0.4]), case([None])), at_least=0.5)
    assert [(row.data["completion"], row.data["score"]) for row in result.kept] == [("t1", 0.8)]
    assert result.dropped == {"no scores": 1, "too low": 1}
