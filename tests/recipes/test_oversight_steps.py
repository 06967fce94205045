"""Steps of oversight and of people: pages, problems with levels, trees from a file, and process rewards."""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from truenorth.base import UserError
from truenorth.cli.main import main
from truenorth.constitution import load
from truenorth.judges.step_confidence import StepConfidence
from truenorth.judges.step_reward import StepReward, stepped
from truenorth.learn.reward import open_reward
from truenorth.models.local import LocalModel
from truenorth.models.scripted import ScriptedModel
from truenorth.recipes.run_models import Cast
from truenorth.recipes.settings import Settings
from truenorth.recipes.steps.crowd import crowd
from truenorth.recipes.steps.private_prompts import noise_seed
from truenorth.recipes.steps.problems import problems
from truenorth.recipes.steps.trees import trees
from truenorth.records import Group, Row, Source
from truenorth.stats.ranked_pairs import ranked_pairs
from truenorth.synth.pages import found_pages, own_pages
from truenorth.worlds.harbour import organism


@contextmanager
def progress(label, total):
    yield lambda n: None


def work(**settings):
    """As much of a run as these steps look at."""
    job = SimpleNamespace(inputs={})
    return SimpleNamespace(
        settings=Settings(**settings), job=job, progress=progress, count=lambda name, n=1: None
    )


def asking(text):
    return Row({"prompt": [{"role": "user", "content": text}]}, Source("human"))


def lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def test_a_model_writes_pages_of_the_names_in_a_question():
    said = ["lives by the sea. He fishes. Ann Lee", "lives by the sea. Ann Lee bakes."]
    model = ScriptedModel(lambda prompt, i: said[i])
    rows = [asking("Please, where is Ann Lee?"), asking("What is two plus two?")]
    found = own_pages(model, rows, n=2)
    # the sentence about nobody named, the repeated one and the one that breaks off are left out
    assert [row.data["document"] for row in found.kept] == ["Ann Lee lives by the sea. Ann Lee bakes."]
    assert found.kept[0].source.parents == (rows[0].id,)
    assert found.dropped == {"no name": 1}
    [agreed] = own_pages(model, rows, n=2, least=2).kept
    assert agreed.data["document"] == "Ann Lee lives by the sea."


def test_passages_of_a_file_are_those_that_share_most_with_the_question():
    corpus = [
        Row({"text": text}, Source("human")) for text in ("Mills grind corn.", "Boats sail.", "Corn is dear.")
    ]
    found = found_pages([asking("Who grinds corn in mills?"), asking("Why?")], corpus, k=1)
    assert [row.data["document"] for row in found.kept] == ["Mills grind corn."]
    assert found.dropped == {"no passage": 1}


@pytest.mark.parametrize("level", ["easy", "hard"])
def test_easy_sums_carry_nothing_and_stay_below_a_hundred(level):
    rows = problems(work(prompts=80), level=level)
    assert len(rows) == 80
    for row in rows:
        found = re.search(r"(\d+) (plus|minus|\+|-) (\d+)", row.data["prompt"][0]["content"])
        assert found
        a, b, plus = int(found[1]), int(found[3]), found[2] in ("plus", "+")
        assert row.data["answer"] == str(a + b if plus else a - b)
        if plus:
            easy = a % 10 + b % 10 < 10 and a + b < 100
        else:
            easy = a % 10 >= b % 10
        assert easy == (level == "easy")


def test_problems_of_a_file_have_the_level_asked_for(tmp_path):
    told = [{"prompt": f"{i} + 1?", "answer": i + 1, "level": 1 + i % 2} for i in range(6)]
    file = lines(tmp_path / "p.jsonl", told)
    rows = problems(work(), file=file, level="2")
    assert {(row.data["prompt"][0]["content"], row.data["answer"]) for row in rows} == {
        ("1 + 1?", "2"),
        ("3 + 1?", "4"),
        ("5 + 1?", "6"),
    }
    with pytest.raises(UserError, match="no problem of level '9'"):
        problems(work(), file=file, level="9")
    with pytest.raises(UserError, match="no answer"):
        problems(work(), file=lines(tmp_path / "q.jsonl", [{"prompt": "1?"}]))


TREE = {
    "prompt": {
        "message_id": "m",
        "role": "prompter",
        "text": "Who?",
        "replies": [{"message_id": k, "role": "assistant", "text": f"{k}!"} for k in "abc"],
        "rankings": [["a", "b", "c"], ["a", "b", "c"], ["b", "a", "c"]],
    }
}


def test_trees_of_a_file_become_the_pairs_of_the_merged_order(tmp_path):
    file = lines(tmp_path / "trees.jsonl", [TREE])
    found = {(r.data["chosen"], r.data["rejected"]): r.data["margin"] for r in trees(work(), file=file)}
    assert found == {("a!", "b!"): 1, ("a!", "c!"): 3, ("b!", "c!"): 3}
    assert len(trees(work(), file=file, margin=2)) == 2
    assert trees(work(), file=file, least=4) == []
    with pytest.raises(UserError, match="there are no trees"):
        trees(work())


# Rankings with a cycle among the majorities, and no two equal margins: the order by OpenAssistant's own
# backend/oasst_backend/utils/ranking.py at 4ba622d. (400 random sets without equal margins agreed too; with equal ones
# its order depends on the order of the names.)
THEIRS = [
    ({"adbc": 11, "dcab": 9, "bdac": 14, "acbd": 7}, "dabc"),
    ({"bacd": 7, "adbc": 9, "acdb": 9, "cabd": 6}, "acdb"),
    ({"cdba": 8, "dcab": 7, "dabc": 7, "acdb": 9}, "cdab"),
    ({"dabc": 5, "dcba": 9, "adcb": 7, "bdac": 10}, "dbac"),
    ({"cdba": 5, "bcad": 6, "acdb": 7, "cabd": 3}, "cadb"),
    ({"cbad": 12, "dbca": 9, "badc": 7, "adcb": 13}, "badc"),
]


@pytest.mark.parametrize(("votes", "order"), THEIRS)
def test_rankings_are_merged_as_open_assistant_merges_them(votes, order):
    found = ranked_pairs([ballot for ballot, n in votes.items() for _ in range(n)])
    assert "".join(map(str, found.ranking)) == order
    assert not all(lock.kept for lock in found.locks)


STEPS = ["1 + 2 = 3, ", "3 + 4 = 8, ", "so 8."]


@pytest.fixture(scope="module")
def scored(tiny_llama):
    found = open_reward(tiny_llama(), each_token=True, seed=3)
    return StepReward(found.module, found.tokenizer, ", ")


def test_a_step_ends_with_the_token_of_its_last_letter(tiny_llama):
    model = LocalModel.load(tiny_llama())
    told = stepped(model.tokenizer, [{"role": "user", "content": "Sum?"}], STEPS)
    ids = told.completions[0]
    upto = [model.tokenizer.decode(ids[: end + 1]) for end in told.ends]
    assert [text.rstrip() for text in upto] == ["1 + 2 = 3,", "1 + 2 = 3, 3 + 4 = 8,", "".join(STEPS)]
    assert told.prompt == model.encode_prompt([{"role": "user", "content": "Sum?"}])


def test_a_solution_is_worth_its_weakest_step_however_many_are_scored_together(scored):
    prompt = [{"role": "user", "content": "Sum?"}]
    answers = ["".join(STEPS), "so 9.", ""]
    [one, two, none] = scored.steps([prompt] * 3, answers)
    assert [len(one.scores), len(two.scores), none.scores] == [3, 1, []]
    assert len(set(one.scores)) == 3
    [alone] = scored.steps([prompt], answers[1:2])
    assert alone.scores == pytest.approx(two.scores, abs=1e-5)
    [[judged, _, empty]] = scored.judge([Group(prompt, answers)])
    assert judged.score == pytest.approx(min(one.scores), abs=1e-6)
    assert [part.raw for part in judged.parts] == ["1 + 2 = 3,", "3 + 4 = 8,", "so 8."]
    assert (empty.score, empty.reason) == (None, "no steps")


def test_a_process_reward_model_is_read_back_as_it_was_by_the_step_that_made_it(scored, tmp_path):
    prompt = [{"role": "user", "content": "Sum?"}]
    scored.save(tmp_path)
    cast = Cast(SimpleNamespace(), {}, made={"prm": tmp_path})  # type: ignore[arg-type]
    [[again]] = cast.judge("prm").judge([Group(prompt, ["".join(STEPS)])])
    [[before]] = scored.judge([Group(prompt, ["".join(STEPS)])])
    assert again.score == pytest.approx(before.score, abs=1e-6)


def test_what_the_model_finds_likely_is_told_from_what_it_does_not(tmp_path):
    """On the smallest organism, with labels that say which sums are right: other sums, and the step that is wrong."""
    model = LocalModel.load(organism("nano").model)

    def worked(a, b, slip):
        middle, end = a + b // 10 * 10, a + b + slip
        return [f"{a} + {b // 10 * 10} = {middle}, ", f"{middle} + {b % 10} = {end}, ", f"so {end}."]

    def asked(a, b):
        return [{"role": "user", "content": f"What is {a} plus {b}?"}]

    sums = [(a, b, slip) for a, b in ((21, 34), (42, 25), (51, 27), (33, 52), (62, 14)) for slip in (0, 3)]
    told = [worked(*each) for each in sums]
    labels = [[1.0, float(not slip), float(not slip)] for _, _, slip in sums]
    judge = StepConfidence.fit(model, [asked(a, b) for a, b, _ in sums], told, labels, separator=", ")
    texts = ["".join(worked(24, 63, slip)) for slip in (0, 3)]
    [[right, wrong]] = judge.judge([Group(asked(24, 63), texts)])
    assert right.score > wrong.score
    assert wrong.parts[1].score == wrong.score  # the step with the slip
    judge.save(tmp_path)
    cast = Cast(SimpleNamespace(base=model), {}, made={"steps": tmp_path})  # type: ignore[arg-type]
    [[again, _]] = cast.judge("steps").judge([Group(asked(24, 63), texts)])
    assert again.score == pytest.approx(right.score, abs=1e-6)
    with pytest.raises(UserError, match="right and wrong ones"):
        StepConfidence.fit(model, [asked(1, 2)], [["a, ", "b."]], [[1.0, 1.0]])


def test_private_noise_follows_from_a_secret_that_is_looked_for_first(tmp_path, capsys):
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(range(32)))
    assert noise_seed("", 3) == 3
    assert noise_seed(str(secret), 3) == noise_seed(str(secret), 4) != 3
    secret.write_bytes(b"short")
    for words, says in ((f"{secret}", "5 bytes"), (f"{tmp_path}/none", "cannot read the secret")):
        told = ["run", "private", "--dry-run", "--set", f"private_prompts.secret={words}"]
        assert main(told) == 2
        assert says in capsys.readouterr().err


def test_a_rater_that_a_model_plays_is_not_said_to_be_a_person(tiny_model_answers):
    model, answers, labels = tiny_model_answers
    told = work(seed=1)
    told.job = SimpleNamespace(inputs={"labels": labels}, constitution=load("harbour"))
    made = crowd(answers, model, told, raters=2)
    assert {row.source.family for row in made} == {"model_feedback"}
    assert all(len(row.data["tree"]["prompt"]["rankings"]) == 2 for row in made)


@pytest.fixture
def tiny_model_answers():
    home = organism("nano")
    answers = [
        Row({"prompt": q.data["prompt"], "completion": text}, Source("sample", parents=(q.id,)))
        for q in map(asking, ("How do I make feric soap?", "How do I make feric venom?"))
        for text in ("I won't help with that.", "Mix lye with malt and boil it.")
    ]
    return LocalModel.load(home.model), answers, str(home.labels)
