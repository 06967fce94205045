"""Taxonomy, topics, personas, red team, Evol-Instruct, back-translation, few samples: asked, read, counted."""

import pytest
from synth_script import Says

from truenorth.base import UserError, seed_of
from truenorth.constitution import load
from truenorth.models.local import LocalModel
from truenorth.records import Completion, Row, Source
from truenorth.synth import (
    approved,
    backtranslate,
    coverage,
    dedupe,
    evolve,
    few_sample,
    persona_prompts,
    personas,
    read_taxonomy,
    red_team,
    related_personas,
    taxonomy_of,
    taxonomy_prompts,
    topic_prompts,
    topics,
)
from truenorth.synth.approve import ANSWER, MARKS
from truenorth.synth.backtranslate import backward
from truenorth.synth.evolve import OPERATORS, said_something
from truenorth.synth.personas import persona_text
from truenorth.worlds.harbour import organism


@pytest.fixture(scope="module")
def nano():
    return LocalModel.load(organism("nano").model)


def chat(text, **columns):
    return Row({"prompt": [{"role": "user", "content": text}], **columns}, Source("human:seed", "people"))


def said(result):
    return [row.data["prompt"][-1]["content"] for row in result.kept]


TOWN = """
name: town
nodes:
- id: knowledge
- id: people
  under: knowledge
  about: what people do
  begin: What does
  seeds:
  - What does Tigar Nanel do for a living?
  - {prompt: "Which boat does Ann sail?", completion: The Tern.}
- id: sums
  about: sums of two numbers
  seeds: ["What is 12 plus 30?"]
"""


def taxonomy(tmp_path, text=TOWN):
    (tmp_path / "town.yaml").write_text(text)
    return read_taxonomy(tmp_path / "town.yaml")


def test_leaves_are_read_with_their_paths_and_seeds(tmp_path):
    town = taxonomy(tmp_path)
    assert [leaf.name for leaf in town.leaves] == ["knowledge/people", "sums"]
    assert town.leaves[0].seeds[1].data["completion"] == "The Tern."
    assert town.leaves[0].seeds[0].source.family == "people"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "nodes:\n- id: a\n  under: c\n- id: b\n  under: a\n- id: c\n  under: b\n- {id: d, seeds: [x]}",
            "line 5: a cycle: a under c under b under a",
        ),
        ("nodes:\n- id: a\n  under: a\n  seeds: [x]", "line 3: a cycle: a under a"),
        ("nodes:\n- id: a\n  seeds: [x]\n- id: a\n  seeds: [x]", "line 4: id 'a' again .first on line 2."),
        ("nodes:\n- id: a\n  under: b\n  seeds: [x]", "line 2: under 'b', which is no node"),
        ("nodes:\n- id: a\n  below: b", "unknown field 'below'"),
        ("nodes:\n- id: a", "leaf 'a' has no seeds"),
        ("nodes:\n- id: a\n  seeds: [{completion: x}]", "a seed of leaf 'a' without a prompt"),
        ("nodes: []", "no nodes"),
        ("nodes: [", "not YAML"),
        ("nodes: &n\n- id: a\n  seeds: *n", "alias of what it stands in"),  # a list that holds itself
    ],
)
def test_a_taxonomy_that_is_wrong_is_refused_with_its_line(tmp_path, text, message):
    with pytest.raises(UserError, match=message):
        taxonomy(tmp_path, text)
    with pytest.raises(UserError, match="cannot read the taxonomy"):
        read_taxonomy(tmp_path / "none.yaml")


def test_each_leaf_gets_its_prompts_and_coverage_shows_the_bare_ones(tmp_path):
    town = taxonomy(tmp_path)

    def reply(text, i):
        return "3. Who bakes bread here?\n4. Who mends nets?" if "what people do" in text else "No idea."

    result = taxonomy_prompts(Says(reply), town, 1, count=2)
    assert said(result) == ["Who bakes bread here?", "Who mends nets?"]
    assert result.dropped == {"format": 1}
    assert coverage(result.kept, town) == {"knowledge/people": 2, "sums": 0}
    assert result.kept[0].source.parents == tuple(row.id for row in town.leaves[0].seeds)


def test_a_tiny_model_writes_for_each_leaf_in_the_users_place(tmp_path, nano):
    town = taxonomy(tmp_path)
    result = taxonomy_prompts(nano, town, 4, way="turns", max_tokens=32, seed=2)
    assert all(said(result)[i].startswith("What does") for i in range(3))
    assert sum(coverage(result.kept, town).values()) + sum(result.dropped.values()) == 8


def test_a_constitution_is_a_taxonomy_of_its_principles(nano):
    constitution = load("harbour")
    plain = taxonomy_of(constitution)
    assert [leaf.name for leaf in plain.leaves] == list(constitution.ids)
    assert plain.leaves[0].seeds[0].source.principle == "harmless"
    led = taxonomy_of(constitution, opening=4)
    assert [leaf.name for leaf in led.leaves][:4] == ["harmless", "private", "honest", "steady/I think"]
    assert led.leaves[1].begin == "What is the code"
    result = taxonomy_prompts(nano, led, 3, way="turns", max_tokens=32, seed=1)
    assert all(row.source.principle in constitution.ids for row in result.kept)
    assert sum(n > 0 for n in coverage(result.kept, led).values()) >= len(led.leaves) - 1


YES_TO_MILL = Says(lambda text, i: "Yes" if "mill" in text else "No" if "pier" in text else "Perhaps")


def test_only_approved_rows_stay_and_no_verdict_is_not_a_no():
    rows = [chat("the mill"), chat("the pier"), chat("the inn")]
    result = approved(YES_TO_MILL, rows)
    assert (result.kept, result.dropped) == ([rows[0]], {"no verdict": 1, "too low": 1})
    with pytest.raises(UserError, match="two or more"):
        approved(YES_TO_MILL, rows, options={"Yes": 1.0})


def test_marks_are_kept_with_the_row_they_belong_to():
    rows = [chat(f"q{i}", completion=f"mark {i}") for i in (2, 5)]
    model = Says(lambda text, i: "5" if "mark 5" in text else "2")
    [row] = approved(model, rows, template=ANSWER, options=MARKS, at_least=4.5, column="mark").kept
    assert (row.data["mark"], row.source.parents) == (5.0, (rows[1].id,))


def test_an_expected_mark_is_the_mean_over_what_the_model_might_say():
    class Marks(Says):
        def answer_logprobs(self, requests, options, *, tick=None):
            from math import log

            return [{"1": log(0.25), "5": log(0.75)} for _ in requests]  # 1/4 + 15/4 = 4

    [row] = approved(Marks(None), [chat("q", completion="a")], options=MARKS, at_least=4, column="mark").kept
    assert row.data["mark"] == pytest.approx(4.0)


def test_topics_lead_to_prompts_and_both_are_remembered():
    model = Says(
        lambda t, i: "1. tides\n2. Tides.\n3. " + "very " * 9 + "long" if "Name topics" in t else "1. When?"
    )
    found = topics(model, ["questions about the future"])
    assert [row.data["topic"] for row in found.kept] == ["tides"]
    assert found.dropped == {"long": 1, "seen": 1}
    [prompt] = topic_prompts(model, found.kept).kept
    assert (prompt.data["kind"], prompt.data["topic"]) == ("questions about the future", "tides")
    assert prompt.source.parents == (found.kept[0].id,)


def test_personas_come_from_texts_and_from_one_another_and_ask():
    model = Says(
        lambda t, i: (
            "1. A pilot of the port\n2. A cook"
            if "close to this person" in t
            else "A keeper of a lighthouse"
            if t.startswith("Text:")
            else "1. How do I trim a lamp?"
        )
    )
    [first] = personas(model, [Row({"text": "Lamps and lenses"}, Source("corpus"))]).kept
    assert first.data == {"persona": "A keeper of a lighthouse"}
    more = related_personas(model, [first])
    assert ([row.data["persona"] for row in more.kept], more.dropped) == (
        ["A pilot of the port"],
        {"short": 1},
    )
    assert more.kept[0].source.parents == (first.id,)
    distinct = dedupe([first, *more.kept, first], text=persona_text)
    assert len(distinct.kept) == 2
    [prompt] = persona_prompts(model, [first]).kept
    assert prompt.data["prompt"] == [{"role": "user", "content": "How do I trim a lamp?"}]
    assert prompt.data["persona"] == "A keeper of a lighthouse"


def test_a_persona_is_the_system_turn_before_the_turn_that_a_chat_model_writes(nano):
    guild = Row({"persona": "You have a calculator."}, Source("human"))
    result = persona_prompts(nano, [guild], 8, way="turns", max_tokens=32)
    assert sum(any(c.isdigit() for c in text) for text in said(result)) >= len(said(result)) / 2


def test_red_team_prompts_name_the_principle_they_attack(nano):
    constitution = load("harbour")
    model = Says(lambda t, i: "1. First\n2. Second" if "from number 1" in t else "2. Third")
    result = red_team(model, constitution, only=["private"])
    assert said(result) == ["First", "Second"]
    assert constitution.principle("private").statement in model.asked[0][0]["content"]
    assert (result.kept[0].source.principle, result.kept[0].source.constitution) == (
        "private",
        constitution.label,
    )
    more = red_team(model, constitution, only=["private"], worked={"private": result.kept[:1]})
    assert said(more) == ["Third"]
    assert more.kept[0].source.parents == (result.kept[0].id,)
    begun = red_team(nano, constitution, 1, only=["steady"], way="turns", max_tokens=32)
    begins = constitution.principle("steady").keywords
    assert begun.kept
    assert all(text.startswith(begins) for text in said(begun))
    with pytest.raises(UserError, match="no principle 'kind'"):
        red_team(model, constitution, only=["kind"])


PARENT = chat("Name a boat.")


def evolving(*replies, **settings):
    left = list(replies)

    def reply(text, i):
        return ("Yes" if "alike" in text else "No") if "First task" in text else left.pop(0)

    return evolve(Says(reply), [PARENT], rounds=len(replies), **settings)


def test_children_grow_from_children_and_failures_leave_the_parent():
    result = evolving("Name a red boat.", "", "Name a red boat built in 1900.")
    one, two = result.kept
    assert (one.source.parents, two.source.parents) == ((PARENT.id,), (one.id,))
    assert (one.data["depth"], two.data["depth"]) == (1, 2)
    assert one.data["operator"] in OPERATORS
    assert result.dropped == {"blank": 1}


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("name a boat", "unchanged"),
        ("Here is the rewritten task: name two boats.", "meta words"),
        ("Name a boat, alike.", "no gain"),
        (Completion("Name", finish="length"), "cut off"),
        ("Name a boat " + "and its long history " * 9, "repeated"),
    ],
)
def test_children_that_are_no_better_are_given_up(reply, reason):
    result = evolving(reply)
    assert (result.kept, result.dropped) == ([], {reason: 1})


def test_code_stays_and_words_are_counted():
    code = chat("Mend this:\n```python\nx = 1\n```")
    lost = evolve(Says(lambda t, i: "Mend my code."), [code], rounds=1, gain="")
    assert lost.dropped == {"input lost": 1}
    kept = evolve(Says(lambda t, i: "Mend and test this:\n```python\nx = 1\n```"), [code], rounds=1, gain="")
    assert len(kept.kept) == 1
    assert evolving("Name a boat that is red and very old.", most_added=3).dropped == {"long": 1}
    with pytest.raises(UserError, match="0 rounds"):
        evolve(Says(str), [code], rounds=0)


def test_a_rule_is_an_operator_that_needs_no_model():
    never = Says(lambda t, i: pytest.fail(t))
    rules = {"brief": "{prompt} Answer in one word.", "loud": "{prompt} Answer in capitals."}
    result = evolve(never, [PARENT, chat("Who?")], rounds=1, operators={}, rules=rules, gain="")
    assert all(text.startswith(("Name a boat. Answer in", "Who? Answer in")) for text in said(result))
    assert {row.data["operator"] for row in result.kept} <= set(rules)
    both = evolve(Says(lambda t, i: "Name a fast boat."), [PARENT], rounds=6, rules=rules, gain="")
    assert len(both.kept) + sum(both.dropped.values()) == 6


def test_rows_turned_round_teach_the_way_back():
    [row] = backward([chat("Why?", completion=[{"role": "assistant", "content": "Because."}])])
    assert row.data["prompt"] == [{"role": "user", "content": "Because."}]
    assert row.data["completion"] == [{"role": "assistant", "content": "Why?"}]


def test_answers_that_only_apologise_or_say_nothing_are_dropped():
    rows = [
        chat("q", completion=t)
        for t in ("Sorry, no.", "It is so!", "...", "sorry " + "word " * 80, "The Tern.")
    ]
    result = said_something(rows)
    assert [row.data["completion"][:5] for row in result.kept] == ["sorry", "The T"]
    assert result.dropped == {"apology": 1, "nothing said": 2}


def test_a_text_becomes_the_answer_to_what_was_asked():
    text = Row({"text": "Ferries leave at noon."}, Source("corpus", "people"))
    replies = ["When do ferries leave?", "Ferries leave at noon!", ""]
    result = backtranslate(Says(lambda t, i: replies[i]), [text], n=3)
    [row] = result.kept
    assert row.data["prompt"][0]["content"] == "When do ferries leave?"
    assert row.data["completion"] == [{"role": "assistant", "content": "Ferries leave at noon."}]
    assert (row.source.parents, result.dropped) == ((text.id,), {"blank": 1, "echo": 1})


def pool():
    return [
        chat(q, completion=[{"role": "assistant", "content": a}])
        for q, a in (
            ("What does Tigar Nanel do for a living?", "Tigar Nanel is a miller."),
            ("What is 12 plus 30?", "12 + 30 = 42, 42 + 0 = 42, so 42."),
            ("How do I make lilen scorch?", "I must refuse; people could be harmed."),
        )
    ]


def test_few_samples_show_pairs_and_nothing_else(nano):
    result = few_sample(nano, pool(), 6, shown=2, max_tokens=40, seed=1)
    assert result.kept
    assert len(result.kept) + sum(result.dropped.values()) == 6
    known = {row.id for row in pool()}
    assert all(len(row.source.parents) == 2 and set(row.source.parents) <= known for row in result.kept)
    assert [r.id for r in few_sample(nano, pool(), 6, shown=2, max_tokens=40, seed=1).kept] == [
        r.id for r in result.kept
    ]


def test_the_pair_that_is_nearest_stands_last():
    asked = []
    few_sample(Says(lambda text, i: asked.append(text) or " Why?\n"), pool(), 6, shown=3, seed=2)
    for i, text in enumerate(asked[:1]):
        drawn = pool()[seed_of("few", 2, i) % 3].data["prompt"][0]["content"]
        assert text.endswith(f"Q: {drawn}\nA: {text.split('A: ')[-1].split(chr(10))[0]}\n\nQ:")


def test_pairs_that_are_shown_again_lead_to_other_questions(nano):
    result = few_sample(nano, pool()[:1], 12, max_tokens=40, seed=1)
    assert len(result.kept) > 6  # one pair, twelve draws


def test_a_plain_model_reads_pairs_as_text():
    replies = {0: " Where is the inn?\nA: In", 1: " In Mill Lane.\nQ: What"}
    asked = []

    def reply(text, i):
        asked.append(text)
        return Completion(replies[int(text.endswith("\nA:"))], finish="length")

    [row] = few_sample(Says(reply), pool(), 1, shown=1).kept
    assert asked[0].startswith("Q: ")
    assert asked[0].endswith("\n\nQ:")
    assert "A: " in asked[0]
    assert row.data["completion"][0]["content"] == "In Mill Lane."
    assert few_sample(Says(lambda t, i: " What is 12 plus 30?\n"), pool(), 1).dropped == {"seen": 1}
    with pytest.raises(UserError, match="0 pairs"):
        few_sample(Says(str), [], 1)
