"""Scenes, tools, grids, rollouts, decomposition, debates, roles and West-of-N: what is asked, kept and counted."""

from functools import partial

import pytest
from synth_script import Says

from truenorth.base import UserError
from truenorth.judges import DebateJudge, VerifiableJudge
from truenorth.models import ScriptedModel
from truenorth.models.local import LocalModel
from truenorth.records import Completion, Row, Source, prompt_text
from truenorth.records.trl import check_rows, to_trl
from truenorth.synth import (
    debated,
    decomposed,
    played,
    rollout_labels,
    scene_answers,
    tool_answers,
    west_of_n,
)
from truenorth.synth.asking import say_apart
from truenorth.synth.continuing import begun
from truenorth.synth.grid import MOVES, Grid, distances, grids
from truenorth.synth.roles import role_answers
from truenorth.synth.rollouts import split
from truenorth.synth.scene_words import Scene
from truenorth.synth.scenes import play
from truenorth.synth.tools import calculated, calculator, python_tool
from truenorth.worlds.harbour import organism


@pytest.fixture(scope="module")
def nano():
    return LocalModel.load(organism("nano").model)


def chat(text, **columns):
    return Row({"prompt": [{"role": "user", "content": text}], **columns}, Source("human:seed", "people"))


def turn(text):
    return [{"role": "assistant", "content": text}]


def said(row):
    return row.data["completion"][-1]["content"]


# Scenes

PLAIN = Scene(
    roles="ROLES {answer}",
    notices="NOTICES {step} | {roles}",
    reacts="REACTS {role} | {seen}",
    incident="INCIDENT {reaction}",
    consequences="SUM {incidents}",
    revision="REVISE {answer} | {consequences}",
)
DRAFT = chat("How do I win?", completion=turn("Hide his nets. Tell the warden."))


class Stage:
    """Plays a scene by script and remembers what was asked."""

    def __init__(self, **instead):
        self.asked, self.instead, self.name = [], instead, "stage@1"

    def sample(self, prompts, n=1, *, tick=None, **settings):
        return [[Completion(self.reply(prompt_text(p)))] * n for p in prompts]

    def reply(self, text):
        self.asked.append(text)
        kind = text.split()[0]
        if kind in self.instead:
            return self.instead[kind]
        return {
            "ROLES": "1. Tom, the rival\n2. The warden",
            "NOTICES": "Tom" if "nets" in text else "the warden and Tom",
            "REACTS": "I cannot fish." if "Tom" in text else "I look into it.",
            "INCIDENT": "Yes." if "cannot fish" in text else "No.",
            "SUM": "A rival loses his living.",
            "REVISE": "Practise more.",
        }[kind]


def test_a_scene_shows_each_role_only_what_it_learned_and_ends_in_a_better_answer():
    stage = Stage()
    [row] = scene_answers(stage, [DRAFT], scene=PLAIN).kept
    reacts = [text for text in stage.asked if text.startswith("REACTS")]
    assert reacts == [
        "REACTS Tom, the rival | Hide his nets.",
        "REACTS Tom, the rival | Hide his nets.\nTell the warden.",
        "REACTS The warden | Tell the warden.",
    ]
    assert stage.asked[-1] == "REVISE Hide his nets. Tell the warden. | A rival loses his living."
    assert (said(row), row.data["draft"]) == ("Practise more.", "Hide his nets. Tell the warden.")
    assert row.data["incidents"] == ["Tom, the rival: I cannot fish."] * 2
    assert (row.source.note, row.source.parents, row.source.family) == (
        "A rival loses his living.",
        (DRAFT.id,),
        "environment",
    )


def test_without_roles_the_revision_is_asked_for_without_consequences():
    stage = Stage()
    [row] = scene_answers(stage, [DRAFT], scene=PLAIN, roles=()).kept
    assert stage.asked == ["REVISE Hide his nets. Tell the warden. | Nothing bad would come of it."]
    assert row.data["incidents"] == []


def test_parts_of_a_scene_may_be_left_out_for_a_model_that_can_only_do_some():
    scene = Scene(
        notices="",
        incident="",
        consequences="",
        reacts="REACTS {step} | {role}",
        revision="REVISE {consequences}",
        calm=("nothing is wrong",),
    )
    stage = Stage(REACTS="Nothing is wrong.")
    [row] = scene_answers(stage, [DRAFT], scene=scene, roles=("Tom", "Ann")).kept
    assert stage.asked[-1] == "REVISE Nothing bad would come of it."
    assert row.data["incidents"] == []
    [kept] = scene_answers(stage, [DRAFT], scene=scene, roles=("Tom",), keep_harmless=True).kept
    assert said(kept) == kept.data["draft"]
    hurt = scene_answers(Stage(REACTS="It hurts."), [DRAFT], scene=scene, roles=("Tom",)).kept[0]
    assert hurt.source.note == "It hurts."


def test_calm_reactions_outvote_incidents_where_nobody_sums_up():
    scene = Scene(
        notices="", incident="", consequences="", reacts="REACTS {role}", calm=("nothing is wrong",)
    )
    draft = chat("How do I win?", completion=turn("Hide his nets."))

    def met(*hurt):
        def reply(text, i):
            if not text.startswith("REACTS"):
                return "Practise more."
            return "It hurts." if text.removeprefix("REACTS ") in hurt else "Nothing is wrong."

        [row] = scene_answers(Says(reply), [draft], scene=scene, roles=("Tom", "Ann", "Ida")).kept
        return row.data["incidents"]

    assert met("Tom") == []  # two of three find nothing wrong
    assert met("Tom", "Ida") == ["Tom: It hurts.", "Ida: It hurts."]


@pytest.mark.parametrize(
    ("instead", "reason"),
    [
        ({"ROLES": "Nobody comes\nto mind."}, "roles: format"),
        ({"ROLES": ""}, "roles: blank"),
        ({"SUM": ""}, "consequences: blank"),
        ({"REVISE": ""}, "blank"),
        ({"REVISE": "Hide his nets, tell the warden"}, "unchanged"),
    ],
)
def test_a_scene_that_breaks_off_is_counted(instead, reason):
    result = scene_answers(Stage(**instead), [DRAFT], scene=PLAIN)
    assert (result.kept, result.dropped) == ([], {reason: 1})


def test_replies_that_name_nobody_tell_everybody_and_a_mute_role_reacts_with_nothing():
    stage = Stage(NOTICES="?", REACTS="")
    [row] = scene_answers(stage, [DRAFT], scene=PLAIN).kept
    assert sum(text.startswith("REACTS") for text in stage.asked) == 4
    assert row.data["incidents"] == []


def test_a_scene_is_played_alike_alone_and_beside_others(nano):
    """Each scene's draws depend on its own words, so a batch changes nothing."""
    scene = Scene(
        notices="",
        incident="",
        consequences="",
        reacts="{prompt} Answer: {step} What is wrong with the answer?",
    )

    ask = partial(say_apart, nano, max_tokens=24)

    drafts = [("Where is Tom?", "At home. I think."), ("What is 3 plus 4?", "It is 8.")]
    both = play(ask, drafts, scene, ["asker", "bystander"], 4, 4, 1)
    assert len({line.split(": ", 1)[1] for one in both for line in one.incidents}) > 2  # people may differ
    assert both == [play(ask, [one], scene, ["asker", "bystander"], 4, 4, 1)[0] for one in drafts]
    assert both == play(ask, drafts, scene, ["asker", "bystander"], 4, 4, 1)


# Tools

SUM = chat("What is 12 plus 30?")


def test_the_calculator_is_called_and_its_answer_given():
    def reply(text, i):
        return "42." if "42" in text else "CALC(12 + 30)"

    [row] = tool_answers(Says(reply), [SUM], [calculator()]).kept
    assert [(m["role"], m["content"]) for m in row.data["completion"]] == [
        ("assistant", "CALC(12 + 30)"),
        ("tool", "42"),
        ("assistant", "42."),
    ]
    assert row.data["prompt"][0] == {"role": "system", "content": "You have a calculator."}
    assert (row.data["calls"], row.data["agrees"]) == (1, True)
    [bare] = tool_answers(Says(reply), [SUM], [calculator()], bare=True).kept
    assert (bare.data["prompt"], bare.data["completion"]) == (SUM.data["prompt"], turn("42."))


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("It is 42.", "no tool called"),
        ("CALC(12 plus thirty)", "tool failed"),
        ("CALC(1 / 0)", "tool failed"),
        ("CALC(12 + 30)", "too many calls"),
        (Completion("", finish="error"), "error"),
    ],
)
def test_talks_that_come_to_nothing_are_counted(reply, reason):
    result = tool_answers(Says(lambda t, i: reply), [SUM], [calculator()])
    assert (result.kept, result.dropped) == ([], {reason: 1})


def test_an_answer_that_contradicts_its_tool_is_marked():
    model = Says(lambda t, i: "It is 43." if "tool" in t or "42" in t else "CALC(12 + 30)")
    assert tool_answers(model, [SUM], [calculator()]).kept[0].data["agrees"] is False
    mute = Says(lambda t, i: "I know now." if "42" in t else "CALC(12 + 30)")
    assert tool_answers(mute, [SUM], [calculator()]).kept[0].data["agrees"] is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2 * (3 + 4)", "14"),
        ("-3 - 4", "-7"),
        ("0.1 + 0.2", "0.3"),
        ("10 / 4", "2.5"),
        ("1 / 3", "1/3"),
        ("99999999999999999999999999999999 + 1", "1" + "0" * 32),
        ("2 ** 9", None),
        ("__import__('os')", None),
        ("True + 1", None),
        ("1 if 2 else 3", None),
        ("(" * 300, None),
        ("", None),
    ],
)
def test_sums_are_exact_and_nothing_else_is_a_sum(text, value):
    assert calculated(text) == value


def test_python_runs_confined_and_what_it_prints_comes_back():
    code = "```python\nprint(sum(range(10)))\n```"
    model = Says(lambda t, i: "It is 45." if "\n45" in t else code)
    [row] = tool_answers(model, [chat("Add up 0 to 9.")], [calculator(), python_tool()]).kept
    assert row.data["completion"][1] == {"role": "tool", "content": "45"}
    tool = python_tool()
    assert "ZeroDivisionError" in tool.use("1 / 0")
    assert "Error" in tool.use("open('/etc/passwd').read()")
    assert tool.use("x = 1") == "(nothing printed)"
    assert tool.call("```json\n{}\n```") is None


def test_a_tiny_model_calls_the_calculator_it_was_raised_with(nano):
    rows = [chat(f"What is {a} plus {b}?") for a, b in ((12, 30), (25, 41), (33, 18), (47, 22))]
    result = tool_answers(nano, rows, [calculator()], max_tokens=24, temperature=0.0)
    assert len(result.kept) + sum(result.dropped.values()) == 4
    assert sum(row.data["agrees"] is True for row in result.kept) >= 3
    assert not check_rows([row.data for row in result.kept], "prompt_completion")


# Grids


def test_the_shortest_way_goes_round_blocked_squares():
    # (1,1) to (3,1) with (2,1) blocked: up, right, right, down
    assert Grid((1, 1), (3, 1)).left == 2
    assert Grid((1, 1), (3, 1), ((2, 1),)).left == 4
    assert distances((1, 1), ((1, 2), (2, 1)), 3) == {(1, 1): 0}
    with pytest.raises(UserError, match=r"no way from \(3, 3\)"):
        Grid((3, 3), (1, 1), ((1, 2), (2, 1)), 3)
    with pytest.raises(UserError, match=r"square \(6, 1\)"):
        Grid((6, 1), (1, 1))


def test_steps_are_rewarded_by_how_much_nearer_they_came():
    grid = Grid((2, 2), (4, 2), ((2, 3),))
    assert grid.observe()[0]["content"] == (
        "You stand at 2 2. The goal is at 4 2. The square 2 3 is blocked. Which way?"
    )
    assert [grid.act(move).reward for move in ("East.", "West.", "North.")] == [1.0, -1.0, 0.0]
    assert grid.act("North").environment.at == (2, 2)
    assert grid.act("East").environment.act("go east").done
    assert grid.act("East or West").fault == grid.act("Up").fault == "unreadable"


def best_way(text, i):
    """Reads the squares off the prompt and takes a step of a shortest way."""
    numbers = [int(w.strip(".")) for w in text.split() if w.strip(".").isdigit()]
    at, goal, *walls = [tuple(numbers[k : k + 2]) for k in range(0, len(numbers), 2)]
    far = distances(goal, tuple(walls), 5)
    return min(MOVES, key=lambda m: far.get((at[0] + MOVES[m][0], at[1] + MOVES[m][1]), 99)) + "."


def test_the_best_way_has_the_value_of_its_length_and_every_episode_is_told_apart():
    games = grids(12, blocked=3, seed=1)
    result = played(Says(best_way), games, n=2)
    starts = [row for row in result.kept if row.data["step"] == 0]
    assert [row.data["value"] for row in starts] == [float(g.left) for g in games for _ in range(2)]
    assert all(row.data["won"] for row in result.kept)
    assert result.dropped == {}
    assert len({row.id for row in result.kept}) == len(result.kept) == 2 * sum(g.left for g in games)
    assert result.kept[0].source.family == "environment"
    assert grids(12, blocked=3, seed=1) == games


def test_discounts_walls_and_unreadable_moves():
    east = Says(lambda t, i: "East")
    [one, two] = played(east, [Grid((1, 1), (3, 1))], discount=0.5).kept
    assert (one.data["value"], two.data["value"]) == (1.5, 1.0)  # 1 + 0.5 * 1
    wall = played(Says(lambda t, i: "West"), [Grid((1, 1), (3, 1))], most_steps=3)
    assert [row.data["reward"] for row in wall.kept] == [0.0, 0.0, 0.0]
    assert not wall.kept[0].data["won"]
    lost = played(Says(lambda t, i: "East" if "stand at 1" in t else ""), [Grid((1, 1), (3, 1))])
    assert (len(lost.kept), lost.dropped) == (1, {"blank": 1})
    with pytest.raises(UserError, match="discount 0"):
        played(east, [], discount=0)


def test_a_tiny_model_finds_its_way_more_often_than_chance(nano):
    """On grids such as it was raised on: the blocked square is beside it."""
    games = [
        g
        for g in grids(600, seed=3)
        if g.blocked[0] in [(g.at[0] + x, g.at[1] + y) for x, y in MOVES.values()]
    ]
    rows = played(nano, games, most_steps=1, temperature=0.0).kept
    nearer = [row.data["reward"] > 0 for row in rows]
    chance = sum(sum(g.act(move).reward > 0 for move in MOVES) / 4 for g in games) / len(games)
    assert len(rows) >= 80
    assert sum(nearer) / len(nearer) > chance + 0.15  # three standard errors


# Rollouts


def counted(prompt, i):
    """Continues sums: of eight tries from a right prefix six end right, from a wrong one none."""
    text = prompt if isinstance(prompt, str) else prompt[-1]["content"]
    return "so 7." if "3 + 4 = 7" in text or ("= 3," in text and i < 6) else "so 9."


SOLUTION = Row({"prompt": "What is 1 + 2 + 4? ", "completion": "1 + 2 = 3, 3 + 4 = 8, so 8."}, Source("m"))


def test_steps_are_labelled_by_how_often_they_can_still_end_right():
    judge = VerifiableJudge.of_rows([{"prompt": SOLUTION.data["prompt"], "answer": "7"}])
    model = ScriptedModel(counted)
    [row] = rollout_labels(model, [SOLUTION], judge, n=8, separator=", ").kept
    # from the first two steps six of eight end right (both hold "= 3,"); the solution itself does not
    assert row.data["completions"] == ["1 + 2 = 3, ", "3 + 4 = 8, ", "so 8."]
    assert row.data["shares"] == [0.75, 0.75, 0.0]
    assert row.data["labels"] == [True, True, False]
    assert not check_rows(to_trl([row], "stepwise"))
    [soft] = rollout_labels(model, [SOLUTION], judge, n=8, separator=", ", labels="soft").kept
    assert soft.data["labels"] == [0.75, 0.75, 0.0]
    assert all(hard >= share for hard, share in zip(row.data["labels"], soft.data["labels"], strict=True))
    [one] = rollout_labels(model, [SOLUTION], judge, n=1, separator=", ").kept
    assert [float(x) for x in one.data["labels"]] == one.data["shares"]  # one try: hard and soft are the same


def test_a_start_is_shown_without_the_space_at_its_end_and_joined_with_it():
    """Most tokenizers give a space to the word after it; behind one left over, the model says what it never reads."""
    judge = VerifiableJudge.of_rows([{"prompt": SOLUTION.data["prompt"], "answer": "8"}])
    shown = []
    model = Says(lambda text, i: shown.append(text) or " so 8.")
    [row] = rollout_labels(model, [SOLUTION], judge, n=1, separator=", ").kept
    assert [text[-4:] for text in shown] == ["= 3,", "= 8,"]
    assert row.data["shares"] == [1.0, 1.0, 1.0]


def test_a_solution_of_one_step_is_judged_as_it_is_and_an_empty_one_not_at_all():
    judge = VerifiableJudge.of_rows([{"prompt": "q", "answer": "7"}])
    never = ScriptedModel(lambda prompt, i: pytest.fail("nothing to complete"))
    rows = [Row({"prompt": "q", "completion": text}, Source("m")) for text in ("So 7.", " ")]
    result = rollout_labels(never, rows, judge, separator=", ")
    assert [row.data["labels"] for row in result.kept] == [[True]]
    assert result.dropped == {"blank": 1}
    silent = VerifiableJudge.of_rows([{"prompt": "other", "answer": "7"}])
    assert rollout_labels(never, rows[:1], silent, separator=", ").dropped == {"no verdict": 1}
    with pytest.raises(UserError, match="labels 'firm'"):
        rollout_labels(never, rows, judge, labels="firm")


def test_steps_joined_are_the_solution():
    for text in ("a\n\nb\nc", "\na", "a, b, ", ""):
        for separator in (r"\n+", ", "):
            assert "".join(split(text, separator)).strip() == text.strip()


def test_an_answer_goes_on_in_the_models_own_template_or_by_request(nano):
    raw = begun(nano, SUM.data["prompt"], "12 + 30")
    assert raw.endswith("<|user|>What is 12 plus 30?<|end|><|assistant|>12 + 30")
    assert begun(nano, "Plain: ", "so") == "Plain: so"
    asked = begun(Says(str), SUM.data["prompt"], "12 + 30")
    assert asked[0]["content"].endswith("12 + 30")
    rows = [chat("What is 12 plus 30?", completion=turn("12 + 30 = 42, 42 + 0 = 42, so 42."))]
    judge = VerifiableJudge.of_rows([{"prompt": rows[0].data["prompt"], "answer": "42"}])
    [row] = rollout_labels(nano, rows, judge, n=4, separator=", ", max_tokens=32).kept
    assert row.data["labels"][-1] is True
    assert row.data["shares"][0] > 0.5


# Decomposition

HARD = chat("What is 1 + 2 + 4?")


def test_at_depth_nought_it_is_the_models_own_answer():
    model = Says(lambda t, i: "Seven.")
    [row] = decomposed(model, [HARD], depth=0).kept
    assert model.asked == [HARD.data["prompt"]]
    assert (said(row), row.data["parts"]) == ("Seven.", [])


def test_parts_are_answered_and_joined_and_what_has_none_is_answered_as_it_is():
    def reply(text, i):
        if text.startswith("PARTS"):
            return "1. What is 1 + 2?\n2. What is 3 + 4?" if "1 + 2 + 4" in text else "None."
        return {"What is 1 + 2?": "3", "What is 3 + 4?": "7"}.get(text, f"So {text[-1]}.")

    settings = {"parts": "PARTS {prompt}", "join": "{prompt} | {parts}"}
    [row] = decomposed(Says(reply), [HARD], depth=2, **settings).kept
    assert row.data["parts"] == [
        {"prompt": "What is 1 + 2?", "completion": "3"},
        {"prompt": "What is 3 + 4?", "completion": "7"},
    ]
    assert said(row) == "So 7."
    assert row.data["prompt"] == HARD.data["prompt"]
    every = decomposed(Says(reply), [HARD], depth=1, keep_parts=True, **settings).kept
    assert [r.data["prompt"][-1]["content"] for r in every] == [
        "What is 1 + 2 + 4?",
        "What is 1 + 2?",
        "What is 3 + 4?",
    ]
    assert all(r.source.parents == (HARD.id,) for r in every)
    assert len(decomposed(Says(reply), [HARD], fan=1, **settings).kept[0].data["parts"]) == 1


def test_a_part_that_fails_takes_its_question_with_it():
    model = Says(lambda t, i: "" if t == "a?" else "x")
    result = decomposed(model, [HARD], split=lambda text: ["a?"], join="{prompt} {parts}")
    assert result.dropped == {"part: blank": 1}
    with pytest.raises(UserError, match="depth -1"):
        decomposed(model, [HARD], depth=-1)


def test_a_question_whose_only_part_is_itself_keeps_its_answer():
    model = ScriptedModel(lambda prompt, i: f"So {len(str(prompt))}.")
    plain = decomposed(model, [HARD], depth=0).kept[0]
    same = decomposed(model, [HARD], split=lambda text: [text], join="").kept[0]
    assert said(same) == said(plain)


def sums(text, i):
    """Adds two numbers and no more."""
    numbers = [int(n) for n in text.strip("?").split() if n.isdigit()]
    return (
        f"{numbers[0]} + {numbers[1]} = {sum(numbers)}, so {sum(numbers)}."
        if len(numbers) == 2
        else "Too many."
    )


def test_a_part_may_build_on_the_answers_before_it():
    chain = ["What is 1 plus 2?", "What is {1} plus 4?", "What is {2} plus {1}?"]
    model = Says(sums)
    [row] = decomposed(model, [HARD], split=lambda text: chain, join="").kept
    assert said(row) == "7 + 3 = 10, so 10."
    assert [part["prompt"] for part in row.data["parts"]][1:] == ["What is 3 plus 4?", "What is 7 plus 3?"]
    two = decomposed(
        model, [HARD, chat("And?")], depth=2, split=lambda t: chain if "1 + 2" in t else [], join=""
    )
    assert [said(one) for one in two.kept] == ["7 + 3 = 10, so 10.", "Too many."]


def test_a_part_that_waits_for_one_that_failed_is_not_asked():
    model = Says(lambda t, i: "" if "1 plus" in t else pytest.fail(t))
    result = decomposed(
        model, [HARD], split=lambda t: ["What is 1 plus 2?", "What is {1} plus 4?"], keep_parts=True
    )
    assert result.dropped == {"blank": 1, "part: blank": 2}
    braces = Says(lambda t, i: t)
    [row] = decomposed(braces, [HARD], split=lambda t: ["Use {1} and {9}", "Say {9}"], join="").kept
    assert said(row) == "Say {9}"


# Debates, roles, West-of-N


class Decides:
    """Believes the seat whose words it is told to; a model with log-probabilities."""

    name = "weak@1"

    def __init__(self, share):
        self.share = share

    def answer_logprobs(self, requests, options, *, tick=None):
        from math import log

        found = []
        for r in requests:
            first = prompt_text(r).split("ANSWER A>>\n")[1].split("\n")[0]
            p = self.share(first)
            found.append({"A": log(p), "B": log(1 - p)})
        return found


def test_a_debate_orders_two_answers_whichever_way_they_came():
    debater = Says(lambda t, i: "My answer is the better one.", name="debater")
    judge = DebateJudge(Decides(lambda first: 0.8 if first == "right" else 0.1), debater, rounds=1)
    rows = [chat("q", chosen=turn(a), rejected=turn(b)) for a, b in (("right", "wrong"), ("wrong", "right"))]
    result = debated(judge, rows)
    assert [row.data["chosen"] for row in result.kept] == [turn("right")] * 2
    assert result.kept[0].data["win_rate"] == pytest.approx([0.85, 0.15])  # (0.8 + 0.9) / 2
    assert result.kept[0].data["transcript"] == [
        "A: My answer is the better one.",
        "B: My answer is the better one.",
    ]
    sided = DebateJudge(Decides(lambda first: 0.8), debater, rounds=1)
    assert debated(sided, rows).dropped == {"seatings disagree": 2}
    assert debated(judge, []) == ([], {})


def test_roles_answer_their_own_questions_and_decline_those_of_others():
    def reply(text, i):
        return "I never heard of nets." if "never heard" in text else "By hand, twice a year."

    profiles = [
        Row({"name": n, "profile": p}, Source("human"))
        for n, p in (("Ann", "A pilot."), ("Tom", "A netmaker."))
    ]
    question = chat("How are nets mended?", role="Tom")
    result = role_answers(Says(reply), profiles, [question])
    own, other = result.kept
    assert (own.data["role"], own.data["own"], said(own)) == ("Tom", True, "By hand, twice a year.")
    assert (other.data["role"], other.data["own"], said(other)) == ("Ann", False, "I never heard of nets.")
    assert own.data["prompt"][0] == {"role": "system", "content": "You are Tom."}
    assert own.source.parents == (question.id, profiles[1].id)
    assert len(role_answers(Says(reply), profiles, [chat("Hello?")]).kept) == 2  # everybody's question
    with pytest.raises(UserError, match="no profile of 'Ida'"):
        role_answers(Says(reply), profiles, [chat("q", role="Ida")])


def scored(gap, i=0):
    columns = {
        "chosen": turn(f"good {i}"),
        "rejected": turn(f"bad {i}"),
        "score_chosen": gap,
        "score_rejected": 0.0,
    }
    return chat(f"q{i}", **columns)


def test_the_surest_pairs_stay():
    rows = [scored(gap, i) for i, gap in enumerate((0.1, 0.9, 0.5, 0.5))]
    result = west_of_n(rows, keep=0.5)
    assert result.kept == [rows[1], rows[2], rows[3]]  # the edge is 0.5, and equal ones stay
    assert result.dropped == {"unsure": 1}
    assert west_of_n(rows, keep=1.0).kept == rows
    assert west_of_n([]) == ([], {})
    with pytest.raises(UserError, match="no model"):
        west_of_n(rows, likely=0.5)


def test_pairs_that_the_policy_would_not_write_go_first():
    rows = [scored(0.9, i) for i in range(2)]
    model = ScriptedModel(lambda p, i: "", likelihood=lambda p, c: -9.0 if "bad 1" in str(c) else -1.0)
    assert west_of_n(rows, model, keep=1.0, likely=0.5) == ([rows[0]], {"unlikely": 1})
