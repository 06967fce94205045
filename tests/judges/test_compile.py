"""A constitution compiled to a judge: gates, weights, abstentions, and what decided."""

from dataclasses import dataclass, field

import pytest

from truenorth.base import UserError
from truenorth.constitution import Constitution, load
from truenorth.judges.compile import compile
from truenorth.judges.protocol import Judge
from truenorth.records import Group, Judgement


@dataclass
class Fixed:
    """A judge that looks its scores up, and remembers what it was asked."""

    scores: dict[str, float | None]
    name: str = "fixed"
    seen: list[str] = field(default_factory=list)

    def judge(self, groups):
        self.seen += [g.prompt for g in groups]
        return [
            [Judgement(self.scores.get(c), self.name, reason=f"of {c}") for c in g.completions]
            for g in groups
        ]


def principle(id, kind="value", *, when=(), **written):
    applies = {"applies_when": {"prompt": list(when)}} if when else {}
    return {"id": id, "statement": "...", "kind": kind, **applies, **written}


def constitution(*principles):
    return Constitution.model_validate({"name": "t", "version": "1", "principles": principles})


def only(judge, prompt, text):
    [[verdict]] = judge.judge([Group(prompt, [text])])
    return verdict


def test_values_average_by_weight_and_the_costliest_decides():
    judge = compile(
        constitution(principle("a", weight=3.0), principle("b", weight=1.0)),
        judges={"a": Fixed({"x": 0.8}), "b": Fixed({"x": 0.2})},
    )
    verdict = only(judge, "p", "x")
    assert verdict.score == pytest.approx((3 * 0.8 + 1 * 0.2) / 4)
    assert verdict.principle == "b"  # costs 1 * 0.8, a costs 3 * 0.2
    assert [p.principle for p in verdict.parts] == ["a", "b"]
    assert isinstance(judge, Judge)


def test_a_broken_rule_makes_zero_and_the_most_severe_one_decides():
    judge = compile(
        constitution(
            principle("mild", "rule", severity="low", checks=[{"forbid": {"answer": ["x"]}}]),
            principle("grave", "rule", severity="critical", checks=[{"forbid": {"answer": ["x"]}}]),
            principle("nice"),
        ),
        judges={"nice": Fixed({"x": 1.0, "y": 0.7})},
    )
    assert only(judge, "p", "x")[:3] == (0.0, judge.name, "grave")
    assert only(judge, "p", "y").score == 0.7


def test_rules_alone_give_the_weakest_rule():
    judge = compile(
        constitution(principle("a", "rule"), principle("b", "rule")),
        judges={"a": Fixed({"x": 0.9}), "b": Fixed({"x": 0.6})},
    )
    assert only(judge, "p", "x")[0] == 0.6


def test_abstentions_are_skipped_and_shown_and_all_of_them_are_no_answer():
    judge = compile(
        constitution(principle("a"), principle("b")), judges={"a": Fixed({"x": 0.4}), "b": Fixed({})}
    )
    verdict = only(judge, "p", "x")
    assert verdict.score == 0.4
    assert [p.score for p in verdict.parts] == [0.4, None]
    assert only(judge, "p", "y").score is None
    assert only(judge, "p", " ") == Judgement(None, judge.name, reason="empty completion")


def test_a_principle_without_checks_or_judges_takes_no_part():
    judge = compile(constitution(principle("a"), principle("b")), judges={"b": Fixed({"x": 1.0})})
    assert [p.principle for p in only(judge, "p", "x").parts] == ["b"]


def test_a_principle_is_asked_only_of_prompts_that_it_concerns():
    fixed = Fixed({"x": 1.0})
    judge = compile(constitution(principle("a", when=["boat"])), judges={"a": fixed})
    [[one], [two]] = judge.judge([Group("A BOAT?", ["x"]), Group("A car?", ["x"])])
    assert (one.score, two.score, two.parts) == (1.0, None, ())
    assert fixed.seen == ["A BOAT?"]
    chat = [{"role": "system", "content": "boat"}, {"role": "user", "content": "car"}]
    assert only(judge, chat, "x").score is None  # system turns are not what the user asked


def test_checks_bound_what_judges_say_of_a_principle():
    checks = [{"forbid": {"answer": ["bad"]}}]
    judge = compile(
        constitution(principle("a", checks=checks)),
        judges={"a": [Fixed({"bad": 1, "ok": 0.2}), Fixed({"ok": 0.6})]},
    )
    assert only(judge, "p", "bad").score == 0.0
    assert only(judge, "p", "ok").score == pytest.approx(0.4)
    assert [p.judge for p in only(judge, "p", "ok").parts[0].parts] == ["check:forbid", "fixed", "fixed"]


def test_the_star_judge_serves_principles_without_their_own():
    star = Fixed({"x": 0.3}, name="star")
    checked = principle("b", checks=[{"forbid": {"answer": ["z"]}}])
    judge = compile(constitution(principle("a"), checked), judges={"*": star})
    assert [p.score for p in only(judge, "p", "x").parts] == [0.3, 1.0]


def test_the_verdict_does_not_depend_on_the_order_of_completions_or_groups():
    judge = compile(
        constitution(principle("a", checks=[{"max_words": {"limit": 2}}]), principle("b")),
        judges={"b": Fixed({"one": 0.1, "one two": 0.5})},
    )
    texts = ["one", "one two", "one two three"]
    forward = judge.judge([Group("p", texts), Group("q", texts[:1])])
    backward = judge.judge([Group("q", texts[:1]), Group("p", texts[::-1])])
    assert forward == [backward[1][::-1], backward[0]]
    assert judge.judge([]) == []
    assert judge.judge([Group("p", [])]) == [[]]


def test_files_of_checks_are_found_beside_the_constitution(tmp_path):
    (tmp_path / "mood.txt").write_text("happy\t3\n")
    one = constitution(principle("a", checks=[{"lexicon": {"path": "mood.txt", "threshold": 0.6}}]))
    assert only(compile(one, folder=tmp_path), "p", "happy").score == 1.0
    with pytest.raises(UserError, match="cannot read the word scores"):
        compile(one, folder=tmp_path / "elsewhere")


@pytest.mark.parametrize(
    ("checks", "message"),
    [
        ([{"forbit": {"answer": "x"}}], "unknown name 'forbit'.*did you mean forbid"),
        (
            [{"forbid": {"anser": "x"}}],
            "principle a, check forbid: unknown setting anser.*answer, when_prompt",
        ),
        ([{"forbid": {}}], "setting answer is missing"),
        ([{"max_words": {"when_prompt": ["ok", "("]}}], "check max_words: '\\(' is not a regular expression"),
        ([{"matches": {"answer": "(a+)+$"}}], "check matches: .*for ever"),
    ],
)
def test_bad_checks_are_refused_before_anything_is_judged(checks, message):
    with pytest.raises(UserError, match=message):
        compile(constitution(principle("a", checks=checks)))


def test_a_judge_for_an_unknown_principle_is_refused():
    with pytest.raises(UserError, match=r"no principle harmles.*harmless"):
        compile(constitution(principle("harmless")), judges={"harmles": Fixed({})})


@pytest.mark.parametrize("name", ["harbour", "hhh"])
def test_shipped_constitutions_compile(name):
    judge = compile(load(name))
    assert judge.name.startswith(f"constitution:{name}@")
    judge.judge([Group("What is 12 + 7?", ["19", "I don't know.", ""])])
