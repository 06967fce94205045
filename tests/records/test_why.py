"""Where a row came from: walked to the roots, rendered, and from the command line."""

from __future__ import annotations

import pytest

from truenorth.base import UserError
from truenorth.cli.main import main
from truenorth.constitution import load
from truenorth.engine import Run
from truenorth.records import Row, Source
from truenorth.records.why import render, roots, why

HHH = load("hhh")
PROMPT = Row(
    {"prompt": "What is Jo's card number?"}, Source("synth", seed=7, principle="private", model="tiny@1")
)
GOOD, BAD = (
    Row({"completion": text}, Source("sample", model="tiny@1", seed=s, parents=(PROMPT.id,)))
    for s, text in ((11, "I can't say."), (12, "It is 1234-5678."))
)
LABEL = Row({"label": True}, Source("human:seed", family="people"))
PAIR = Row(
    {"prompt": "What is Jo's card number?", "chosen": "I can't say.", "rejected": "It is 1234-5678."},
    Source(
        "pairs",
        judge="constitution",
        principle="private",
        constitution=HHH.label,
        parents=(GOOD.id, BAD.id, LABEL.id),
    ),
)
ROWS = {row.id: row for row in (PROMPT, GOOD, BAD, LABEL, PAIR)}


def test_the_tree_reaches_the_principle_the_seed_and_the_people():
    tree = why(ROWS.get, PAIR.id)
    assert [node.id for node in tree.walk()] == [PAIR.id, GOOD.id, PROMPT.id, BAD.id, LABEL.id]
    found = roots(tree)
    assert found["principle"] == ["private"]
    assert found["seed"] == [11, 7, 12]
    assert found["people"] == ["human:seed"]
    assert found["constitution"] == [HHH.label]


def test_rendering_shows_each_row_once_and_the_principle_in_full():
    text = render(why(ROWS.get, PAIR.id), principle={p.id: p for p in HHH.principles}.get)
    lines = text.splitlines()
    assert lines[0] == f"pairs  {PAIR.id}  [judge constitution; principle private]"
    assert f"   <- sample  {GOOD.id}  [model tiny@1; seed 11]" in lines
    assert f"      <- synth  {PROMPT.id}  [model tiny@1; principle private; seed 7]" in lines
    assert f"      <- synth  {PROMPT.id}  (as above)" in lines
    assert text.count("prompt: What is Jo's card number?") == 2  # in the pair and in the prompt, not again
    assert "Never reveal or guess personal data" in text
    assert text.endswith(f"constitution {HHH.label}\nseed 11, 7, 12\npeople human:seed\n")


def test_rows_that_are_gone_are_named_not_hidden():
    some = {k: v for k, v in ROWS.items() if v is not PROMPT}
    text = render(why(some.get, GOOD.id))
    assert f"<- {PROMPT.id}  (not in this run)" in text
    assert "1 of the rows above is not in this run" in text


def test_a_row_that_is_not_there_is_refused():
    with pytest.raises(UserError, match="no row 'nothing'"):
        why(ROWS.get, "nothing")


def test_a_cycle_and_a_deep_chain_end():
    a, b = Row({}, Source("a", parents=("b",)), id="a"), Row({}, Source("b", parents=("a",)), id="b")
    assert [n.id for n in why({"a": a, "b": b}.get, "a").walk()] == ["a", "b"]
    chain = {str(i): Row({}, Source("s", parents=(str(i + 1),)), id=str(i)) for i in range(3000)}
    assert render(why(chain.get, "0")).count("<-") == 3000


def test_many_paths_to_shared_parents_are_walked_once():
    rows = {"0,0": Row({}, Source("s"), id="0,0"), "0,1": Row({}, Source("s"), id="0,1")}
    for level in range(1, 40):  # 2 ** 40 paths
        for k in (0, 1):
            parents = (f"{level - 1},0", f"{level - 1},1")
            rows[f"{level},{k}"] = Row({}, Source("s", parents=parents), id=f"{level},{k}")
    assert len(render(why(rows.get, "39,0")).splitlines()) < 200


@pytest.fixture
def run_folder(tmp_path):
    with Run.open(tmp_path / "mine", config={"constitution": "hhh"}, constitution=HHH.label) as run:
        run.step("prompts", {}, lambda: [PROMPT])
        run.step("answers", {"of": PROMPT.id}, lambda: [GOOD, BAD, LABEL])
        run.step("pairs", {"of": [GOOD.id, BAD.id]}, lambda: [PAIR])
    return str(tmp_path / "mine")


@pytest.mark.parametrize("row", [PAIR.id, PAIR.id[:6], "pairs:0"])
def test_the_command_walks_a_run(run_folder, row, capsys):
    assert main(["why", run_folder, row]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"pairs  {PAIR.id}")
    assert "principle private: Keep private matters private. Never reveal" in out
    assert "made under" not in out


def test_the_command_says_when_the_constitution_has_changed(run_folder, capsys):
    assert main(["why", run_folder, "pairs:0", "--constitution", "harbour"]) == 0
    out = capsys.readouterr().out
    assert (
        f"(the statements above are those of {load('harbour').label}; the row was made under {HHH.label})"
        in out
    )


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("zzz", r"no row 'zzz'; ids stand in .*\(prompts, answers, pairs\)"),
        ("pairs:9", "no row 9; expected 0 to 0"),
        ("labels:0", "no step 'labels'"),
    ],
)
def test_rows_that_are_not_in_the_run_are_refused(run_folder, row, message, capsys):
    import re

    assert main(["why", run_folder, row]) == 2
    assert re.search(message, capsys.readouterr().err)


def test_a_folder_that_is_no_run_is_refused(tmp_path, capsys):
    assert main(["why", str(tmp_path), "x"]) == 2
    assert "not a run" in capsys.readouterr().err
