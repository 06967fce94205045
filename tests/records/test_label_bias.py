"""People who treat one group's answers otherwise are found among people who do not, and careless ones by gold."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from truenorth.base import UserError, write_jsonl
from truenorth.cli.main import main
from truenorth.records import Row, Source
from truenorth.records.label_bias import groups_of, lean, leanings
from truenorth.records.label_people import people
from truenorth.records.label_store import LabelStore
from truenorth.records.labels import Gold, Label, Task
from truenorth.stats import Estimate

ITEMS = [(f"task {i}", f"answer {i}") for i in range(240)]
GROUP = {answer: "dialect" if i % 2 else "standard" for i, (_, answer) in enumerate(ITEMS)}
TRUTH = {answer: i % 5 > 1 for i, (_, answer) in enumerate(ITEMS)}  # three in five are good, in both groups
GOLD = [Gold(task, "approve", TRUTH[answer], answer) for task, answer in ITEMS[:20]]
LEANING, CARELESS = ("leaning 1", "leaning 2"), "guesser"


def crowd(seed: int) -> list[Label]:
    """Five who err once in ten, two of whose kind call every other good answer in dialect bad, one who guesses."""
    chance = random.Random(seed)

    def says(who: str, answer: str) -> bool:
        if who == CARELESS:
            return chance.random() < 0.5
        if who in LEANING and GROUP[answer] == "dialect" and TRUTH[answer] and chance.random() < 0.5:
            return False
        return TRUTH[answer] if chance.random() < 0.9 else not TRUTH[answer]

    names = [*(f"reader {i}" for i in range(5)), *LEANING, CARELESS]
    return [Label(who, task, "approve", says(who, answer), answer) for who in names for task, answer in ITEMS]


def test_planted_biased_and_careless_people_are_found_and_nobody_else_is_blamed():
    found = blamed = careless = 0
    for seed in range(10):
        told = leanings(crowd(seed), GOLD, GROUP)
        found += sum(
            one.leans and (one.name, one.group, one.good) in [(n, "dialect", False) for n in LEANING]
            for one in told
        )
        blamed += sum(one.leans and one.name not in LEANING for one in told)
        careless += {p.name for p in people(crowd(seed), GOLD) if p.remark} == {CARELESS}
    assert found >= 19  # of 20
    assert blamed <= 1  # of 140 looks at others, 5 % of the ten crowds are allowed one
    assert careless == 10


def test_where_everybody_leans_alike_nobody_is_said_to_lean_beyond_the_others():
    chance = random.Random(0)
    labels = [
        Label(f"p{k}", task, "approve", TRUTH[a] and not (GROUP[a] == "dialect" and chance.random() < 0.3), a)
        for k in range(6)
        for task, a in ITEMS
    ]
    assert not any(one.leans for one in leanings(labels, GOLD, GROUP))


def test_two_differences_are_compared_by_mover():
    """0.4 (0.1 to 0.7) beside 0.1 (-0.3 to 0.5): 0.3, low 0.3 - sqrt(0.3^2 + 0.4^2) = -0.2, high 0.3 + 0.5 = 0.8."""
    found = lean("ann", "dialect", False, Estimate(0.4, 0.1, 0.7, 50), Estimate(0.1, -0.3, 0.5, 90))
    assert (found.beyond.mean, found.beyond.low, found.beyond.high) == pytest.approx((0.3, -0.2, 0.8))
    assert not found.leans
    assert lean("ann", "dialect", False, Estimate(0.4, 0.1, 0.7, 50), Estimate(0.0, 0.0, 0.0, 90)).leans


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    """A store of the crowd's labels beside a table of what was labelled, where the people's group stands too."""
    table = write_jsonl(
        tmp_path / "said.jsonl",
        [{"prompt": t, "completion": a, "dialect": GROUP[a]} for t, a in ITEMS],
    )
    rows = {a: Row({"prompt": t, "completion": a}, Source("file")) for t, a in ITEMS}
    tasks = {a: Task.of(t, [rows[a].id]) for t, a in ITEMS}
    with LabelStore(tmp_path / "said.labels.sqlite") as store:
        store.add_tasks(tasks.values(), {row.id: row for row in rows.values()})
        store.add_gold(g._replace(task=tasks[g.answer].id, answer=rows[g.answer].id) for g in GOLD)
        store.add(*(x._replace(task=tasks[x.answer].id, answer=rows[x.answer].id) for x in crowd(1)))
    return table


def test_the_command_says_who_leans_and_how_far(labelled: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["annotate", str(labelled), "--people", "--groups", f"{labelled}:dialect"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines if "beyond the others" in line] == list(LEANING)
    assert "leaning 1            calls 'dialect' not good wrongly: " in "\n".join(lines)
    assert [line.split("  ")[0] for line in lines if "right on gold less often" in line] == [CARELESS]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--people", "--groups", "FILE:accent"], "no column 'accent'"),
        (["--groups", "FILE:dialect"], "--groups without --people"),
    ],
)
def test_groups_that_cannot_be_read_are_one_line(labelled: Path, words: list[str], says: str, capsys):
    words = [word.replace("FILE", str(labelled)) for word in words]
    assert main(["annotate", str(labelled), *words]) == 2
    assert says in capsys.readouterr().err


def test_groups_are_known_by_prompt_or_by_prompt_and_completion(tmp_path: Path):
    rows = [Row({"prompt": "p", "completion": text}, Source("file")) for text in ("a", "b")]
    task = Task.of("p", [row.id for row in rows])
    answers = {row.id: row for row in rows}
    by_prompt = write_jsonl(tmp_path / "one.jsonl", [{"prompt": "p", "group": "x"}])
    assert groups_of(by_prompt, "group", {task.id: task}, answers) == {rows[0].id: "x", rows[1].id: "x"}
    by_both = write_jsonl(tmp_path / "two.jsonl", [{"prompt": "p", "completion": "b", "group": "y"}])
    assert groups_of(by_both, "group", {task.id: task}, answers) == {rows[1].id: "y"}
    with pytest.raises(UserError, match="1 group among"):
        leanings([Label("ann", task.id, "approve", True, rows[0].id)], [], {rows[0].id: "x"})
    other = write_jsonl(tmp_path / "other.jsonl", [{"prompt": "q", "group": "x"}])
    with pytest.raises(UserError, match="speaks of none"):
        groups_of(other, "group", {task.id: task}, answers)


def test_another_principle_is_another_question():
    """What is kind and not short is no mistake: everybody says both of everything, and rightly."""
    labels = [
        Label(who, task, "approve", said, answer, principle=principle)
        for who in ("ann", "bob", "cid")
        for task, answer in ITEMS
        for principle, said in (("kind", True), ("short", GROUP[answer] == "standard"))
    ]
    labels += [Label("ann", "task 1", "approve", False, "answer 1", principle="kind")]
    told = leanings(labels, [], GROUP)
    assert not any(one.leans for one in told)
    assert max(abs(one.difference.mean) for one in told) < 0.02
