"""What people disagree on goes to somebody else, and their word holds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from truenorth.base import UserError, write_jsonl
from truenorth.cli.annotate import reviewed
from truenorth.cli.main import main
from truenorth.records.label_review import disputed
from truenorth.records.label_store import LabelStore
from truenorth.records.labels import Label
from truenorth.serve.gathering import gather


def says(kind: str, *values: object, answer: str = "a", principle: str = "") -> list[Label]:
    return [Label(f"p{i}", "t", kind, v, answer, principle) for i, v in enumerate(values)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("labels", "kind", "open_"),
    [
        (says("approve", True, False), "approve", True),
        (says("approve", True, True), "approve", False),
        (says("approve", True), "approve", False),
        (says("rate", 3, 4), "rate", False),
        (says("rate", 3, 5), "rate", True),
        (says("rank", [["a"], ["b"]], [["b"], ["a"]], answer=""), "rank", True),
        (says("rank", [["a"], ["b"]], [["a", "b"]], answer=""), "rank", False),
        (says("approve", True, False), "rate", False),
        (says("approve", True, False, principle="kind"), "approve", False),
        ([*says("approve", True), *says("approve", False, answer="b")], "approve", False),
    ],
)
def test_two_who_say_the_contrary_of_the_same_disagree(labels: list[Label], kind, open_: bool):
    assert disputed(labels, kind) == (["t"] if open_ else [])


def test_only_what_is_disputed_is_reviewed_and_the_reviewers_word_holds(tmp_path: Path):
    """Two say yes and one no of the first answer, all yes of the second; an expert, asked of the first, says no."""
    table = write_jsonl(
        tmp_path / "said.jsonl", [{"prompt": p, "completion": p.lower()} for p in ("ONE", "TWO")]
    )
    work = gather(table)
    of = {work.answers[task.answers[0]].data["completion"]: task for task in work.tasks}
    with LabelStore(tmp_path / "said.labels.sqlite") as store:
        store.add_tasks(work.tasks, work.answers)
        with pytest.raises(UserError, match="nobody disagrees"):
            reviewed(work, store, "approve", "")
        for who, one in (("ann", True), ("bob", True), ("cid", False)):
            store.add(Label(who, of["one"].id, "approve", one, of["one"].answers[0]))
            store.add(Label(who, of["two"].id, "approve", True, of["two"].answers[0]))
        left = reviewed(work, store, "approve", "")
        assert [task.id for task in left.tasks] == [of["one"].id]
        store.add(Label("expert", of["one"].id, "approve", False, of["one"].answers[0]))
    out = tmp_path / "labels.jsonl"
    export = ["annotate", str(table), "--export", str(out), "--as", "consensus"]
    assert main([*export, "--reviewer", "expert"]) == 0
    rows = {row["completion"]: row for row in map(json.loads, out.read_text().splitlines())}
    assert (rows["one"]["label"], rows["one"]["votes"]) == (0.0, 1)
    assert rows["one"]["source"]["producer"] == "people:review"
    assert rows["two"]["votes"] == 3
    assert rows["two"]["label"] > 0.9
    assert main(["annotate", str(table), "--export", str(out), "--reviewer", "expert"]) == 2
