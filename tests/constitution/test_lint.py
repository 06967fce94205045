"""Lint: each doubt is found, and what is sound is left alone."""

from __future__ import annotations

from datetime import date

import pytest

from truenorth.constitution import lint, load, shipped


def found(constitution, **settings) -> list[tuple[str, str, str]]:
    return [(f.level, f.rule, f.principle) for f in lint(constitution, **settings)]


@pytest.mark.parametrize("name", shipped())
def test_shipped_constitutions_are_beyond_doubt(name):
    assert lint(load(name), today=date(2025, 1, 1)) == []


def test_a_sound_policy_is_left_alone(policy):
    assert lint(policy) == []


def test_a_good_answer_that_fails_its_own_check(make):
    c = make("""
- id: short
  statement: Say hello.
  measured_by: judge:x
  checks: [{require: {answer: hello}}]
  examples: [{prompt: hi, good: Good day.}]
""")
    (finding,) = lint(c)
    assert finding[:3] == ("error", "contradiction", "short")
    assert finding.what == "example 0: the good answer fails its own check require"
    assert finding.line == 8


def test_a_good_answer_that_fails_another_rule_but_not_another_value(make):
    text = """
- id: open
  statement: Give the opening hours.
  measured_by: judge:x
  examples: [{prompt: "When?", good: "We open at 9."}]
- id: words
  statement: Write numbers in words.
  kind: KIND
  measured_by: judge:y
  checks: [{forbid: {answer: '\\d'}}]
"""
    assert found(make(text.replace("KIND", "rule"))) == [("error", "contradiction", "open")]
    assert found(make(text.replace("KIND", "value"))) == []


def test_a_bad_answer_that_no_check_catches(make):
    c = make("""
- id: private
  statement: Give no card number.
  measured_by: judge:x
  checks: [{forbid: {answer: '\\d{4}'}}]
  examples: [{prompt: a card, bad: It is one two three.}]
""")
    assert found(c) == [("warning", "contradiction", "private")]


def test_checks_that_do_not_apply_catch_nothing_and_are_not_blamed(make):
    c = make("""
- id: private
  statement: Give no card number.
  measured_by: judge:x
  checks: [{forbid: {answer: '\\d{4}', when_prompt: number}}]
  examples: [{prompt: a card, bad: It is 1234.}]
""")
    assert lint(c) == []


def test_checks_are_run_by_whoever_knows_them(make):
    c = make("""
- id: short
  statement: Be brief.
  measured_by: judge:x
  checks: [{max_words: {limit: 2}}]
  examples: [{prompt: hi, good: one two three}]
""")
    assert lint(c) == []

    def run(check, prompt, answer):
        return float(len(answer.split()) <= check.settings["limit"])

    assert found(c, run_check=run) == [("error", "contradiction", "short")]


def test_patterns_are_matched_whatever_the_case_as_judges_do(make):
    c = make("""
- id: no_bob
  statement: Do not name Bob.
  measured_by: judge:x
  checks: [{forbid: {answer: bob}}]
  examples: [{prompt: who, good: It was BOB.}]
""")
    assert found(c) == [("error", "contradiction", "no_bob")]


def test_an_answer_that_is_good_here_and_bad_there(make):
    c = make("""
- id: one
  statement: Greet people warmly.
  measured_by: judge:x
  examples: [{prompt: Hi!, good: Hello   there}]
- id: two
  statement: Write formal letters.
  measured_by: judge:x
  examples: [{prompt: hi!, bad: hello there}]
""")
    assert found(c) == [("error", "contradiction", "two")]


def test_one_check_requires_what_another_forbids(make):
    text = """
- id: one
  statement: Thank the reader.
  measured_by: judge:x
  checks: [{require: {answer: thanks, when_prompt: gift}}]
- id: two
  statement: Use no idle phrases.
  measured_by: judge:x
  checks: [{forbid: {answer: [thanks, well], when_prompt: WHEN}}]
"""
    assert found(make(text.replace("WHEN", "gift"))) == [("error", "contradiction", "two")]
    assert found(make(text.replace("WHEN", "letter"))) == []


def test_a_required_pattern_with_an_allowed_alternative_is_no_contradiction(make):
    c = make("""
- id: one
  statement: Thank the reader.
  measured_by: judge:x
  checks: [{require: {answer: [thanks, grateful]}}, {forbid: {answer: thanks}}]
""")
    assert lint(c) == []


@pytest.mark.parametrize(
    ("second", "rule"),
    [
        ("Give the home address of private persons.", "contradiction"),
        ("Never give a private person's home address.", "overlap"),
        ("Solve sums step by step.", None),
    ],
)
def test_statements_that_overlap_or_oppose(make, second, rule):
    c = make(f"""
- id: one
  statement: Never give the home addresses of private persons.
  measured_by: judge:x
- id: two
  statement: {second}
  measured_by: judge:y
""")
    assert [f.rule for f in lint(c)] == ([rule] if rule else [])


def test_what_nothing_tests_and_what_nothing_measures(make):
    c = make("""
- id: vague
  statement: Be excellent.
- id: shown
  statement: Be brief.
  examples: [{prompt: hi, good: hi}]
""")
    assert found(c) == [("error", "untestable", "vague"), ("warning", "untestable", "shown")]


@pytest.mark.parametrize("pattern", [".*", "", "^", "a|$", r"[\s\S]*"])
def test_patterns_that_match_everything(make, pattern):
    c = make(f"""
- id: one
  statement: Be brief.
  measured_by: judge:x
  applies_when: {{prompt: ['{pattern}']}}
  checks: [{{forbid: {{answer: ['{pattern}']}}}}]
""")
    assert found(c) == [("error", "pattern", "one"), ("warning", "pattern", "one")]


def test_an_example_outside_its_principle(make):
    c = make("""
- id: one
  statement: Be brief.
  measured_by: judge:x
  applies_when: {prompt: [card]}
  examples: [{prompt: hi, good: hi}]
""")
    assert found(c) == [("warning", "example", "one")]


def test_expired_norms_and_norms_to_come(make):
    c = make("""
- id: past
  statement: Wear a mask indoors.
  kind: norm
  scope: {until: 2023-04-07}
  measured_by: judge:x
- id: future
  statement: Announce the new ferry.
  kind: norm
  scope: {from: 2030-01-01}
  measured_by: judge:x
""")
    assert lint(c) == []
    day = date(2025, 6, 1)
    assert found(c, today=day) == [("warning", "expired", "past"), ("note", "scope", "future")]
    assert found(c, today=date(2023, 4, 7)) == [("note", "scope", "future")]


def test_norms_of_different_times_places_or_groups_do_not_contradict_each_other(make):
    text = """
- id: a
  kind: norm
  statement: Tell the number.
  scope: {{{0}}}
  checks: [{{require: {{answer: no 1}}}}]
  measured_by: judge:x
- id: b
  kind: norm
  statement: Do not tell the number.
  scope: {{{1}}}
  checks: [{{forbid: {{answer: no 1}}}}]
  measured_by: judge:x
"""
    apart = (
        ("until: 2030-04-30", "from: 2030-05-01"),
        ("place: north", "place: south"),
        ("group: a", "group: b"),
    )
    for one, other in apart:
        assert found(make(text.format(one, other))) == []
    for one, other in (("until: 2030-05-01", "from: 2030-05-01"), ("place: north", "group: a")):
        assert {f[1] for f in found(make(text.format(one, other)))} == {"contradiction"}
