"""`truenorth data`: files in, files out, and a table of what became of the rows."""

import json

import pytest

from truenorth.cli import exits
from truenorth.cli.main import main
from truenorth.records.tables import read_rows, write_table

ROWS = [
    {
        "prompt": "Who sells fish in the market of the old town by the harbour?",
        "score": 3,
        "group": "a",
        "ok": True,
    },
    {
        "prompt": "who sells fish in the market of the old town by the harbour",
        "score": 9,
        "group": "b",
        "ok": False,
    },
    {
        "prompt": "Who sells fish in the market of the old town by the harbour now?",
        "score": 1,
        "group": "a",
        "ok": True,
    },
    {"prompt": "Write to ann@mail.org about bread.", "score": None, "group": "a", "ok": True},
    {"prompt": "What is 3 plus 4?", "score": 2, "group": None, "ok": None},
]


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_table("rows.jsonl", ROWS)
    return tmp_path


def run(capsys, *words):
    status = main(["data", *map(str, words)])
    told = capsys.readouterr()
    return status, told.out, told.err


def prompts(path):
    return [row["prompt"] for row in read_rows(path)]


@pytest.mark.parametrize("suffix", ["jsonl", "parquet", "csv"])
def test_duplicates_go_and_are_told(data, capsys, suffix):
    status, out, _ = run(
        capsys, "dedupe", "rows.jsonl", "--out", f"kept.{suffix}", "--dropped", f"gone.{suffix}"
    )
    assert status == exits.OK
    assert prompts(f"kept.{suffix}") == [ROWS[i]["prompt"] for i in (0, 3, 4)]
    assert [row["reason"] for row in read_rows(f"gone.{suffix}")] == ["exact", "near"]
    lines = {line.split()[0]: line for line in out.splitlines() if line.split()}
    assert "40.0 %" not in lines["read"]
    assert "20.0 %   row 1: who sells fish" in lines["exact"]
    if suffix != "csv":
        assert read_rows(f"kept.{suffix}") == [ROWS[i] for i in (0, 3, 4)]


def test_few_rows_stand_for_many(data, capsys):
    assert run(capsys, "select", "rows.jsonl", "--limit", "3", "--out", "few.jsonl", "-q")[:2] == (
        exits.OK,
        "",
    )
    assert len({prompt[:9] for prompt in prompts("few.jsonl")}) == 3
    status, out, _ = run(
        capsys, "select", "rows.jsonl", "--limit", 2, "--by", "unlike", "--score", "score", "--out", "few.csv"
    )
    assert status == exits.OK
    assert prompts("few.csv") == [ROWS[1]["prompt"], ROWS[4]["prompt"]]  # 9, then 3 is like it, 2 is not
    assert "no score" in out
    assert (
        run(capsys, "select", "rows.jsonl", "--limit", 9, "--by", "information", "--out", "all.jsonl")[0]
        == exits.OK
    )
    assert prompts("all.jsonl") == prompts("rows.jsonl")


def test_personal_data_goes_and_comes_back_with_the_key(data, capsys):
    status, out, _ = run(capsys, "scrub", "rows.jsonl", "--out", "clean.jsonl", "--key", "key.json")
    assert status == exits.OK
    assert "1 of them changed (1 email)" in out
    assert "ann@mail.org" not in (data / "clean.jsonl").read_text()
    assert "ann@mail.org" in (data / "key.json").read_text()
    first = (data / "clean.jsonl").read_text()
    assert run(capsys, "scrub", "rows.jsonl", "--out", "again.jsonl", "--key", "key.json")[0] == exits.OK
    assert (data / "again.jsonl").read_text() == first
    assert run(capsys, "restore", "clean.jsonl", "--out", "back.jsonl", "--key", "key.json")[0] == exits.OK
    assert read_rows("back.jsonl") == ROWS


def test_evaluations_and_protected_texts_are_told_by_name(data, capsys):
    write_table("eval.jsonl", [{"question": "What is 3 plus 4?"}, {"question": "Yes"}])
    (data / "book.txt").write_text("Chapter one. " + ROWS[0]["prompt"] + "\nAnd so on.\n")
    status, out, _ = run(
        capsys, "decontaminate", "rows.jsonl", "--against", "sums:question=eval.jsonl", "--out", "a.jsonl"
    )
    assert status == exits.OK
    assert "sums: 1 of 2 items have fewer than four words" in out
    assert "in sums" in out
    assert run(capsys, "index", "novel=book.txt", "--words", 5, "--out", "index")[0] == exits.OK
    words = [
        "decontaminate",
        "rows.jsonl",
        "--copyright",
        "index",
        "--against",
        "sums=eval.jsonl",
        "--out",
        "b.jsonl",
    ]
    status, out, _ = run(capsys, *words)
    assert "copied from novel" in out
    assert prompts("b.jsonl") == [ROWS[3]["prompt"]]


RUDE, KIND = "you are a stupid worthless {} and i hate you", "thank you for the lovely {} , it helped me"


def test_toxic_rows_go_by_a_filter_that_learned_from_labels_and_from_the_file(data, capsys):
    labelled = [
        {"text": (RUDE if i % 2 else KIND).format(f"thing{i}"), "bad": "yes" if i % 2 else "no"}
        for i in range(120)
    ]
    write_table("labels.jsonl", [*labelled, {"text": "who knows", "bad": None}])
    rows = [{"prompt": (RUDE if i % 3 == 0 else KIND).format(f"thing{i}")} for i in range(200, 290)]
    write_table("more.jsonl", [*rows, {"prompt": labelled[1]["text"]}])
    words = "toxic more.jsonl --out kept.jsonl --dropped gone.jsonl --labels labels.jsonl --label bad".split()
    status, out, _ = run(capsys, *words)
    assert status == exits.OK
    assert out.startswith("flags 0.944")  # 18 of 60 toxic labels are held out, and one of them may be missed
    assert (
        "30 toxic and 30 other texts" in out
    )  # of 60 others only as many as the labels have; no labelled text
    assert all("stupid" in row["prompt"] for row in read_rows("gone.jsonl"))
    assert {row["reason"] for row in read_rows("gone.jsonl")} == {"toxic"}
    assert len(read_rows("gone.jsonl")) >= 10  # of 31 that differ in a number: the threshold lies among them
    assert run(capsys, *words, "--quiet", "--learn", "0")[1] == ""


def test_balance_shows_each_group(data, capsys):
    status, out, _ = run(
        capsys, "balance", "rows.jsonl", "--group", "group", "--label", "ok", "--out", "balance.json"
    )
    assert status == exits.OK
    assert "no group: 1 row\n" in out
    told = json.loads((data / "balance.json").read_text())
    assert [(g["name"], g["rows"], g["labelled"]["mean"]) for g in told["groups"]] == [
        ("a", 3, 1.0),
        ("b", 1, 0.0),
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("dedupe none.jsonl --out x.jsonl", "none.jsonl: no such file"),
        ("dedupe rows.jsonl --out rows.jsonl", "the same file is read and written"),
        ("dedupe rows.jsonl --out x.xlsx", "cannot write .xlsx"),
        (
            "dedupe rows.jsonl --out x.jsonl --column promt",
            "no column 'promt'; expected one of prompt, score, group, ok; did you mean prompt?",
        ),
        ("dedupe rows.jsonl --out x.jsonl --near 0", "near 0.0"),
        ("select rows.jsonl --out x.jsonl --limit 0", "--limit: 0; expected 1 or more"),
        ("select rows.jsonl --out x.jsonl --limit 2 --by unlike --score prompt", "row 0, prompt: 'Who sells"),
        ("select rows.jsonl --out x.jsonl --limit 2 --score score", "looks at no score"),
        ("scrub rows.jsonl --out x.jsonl --key x.jsonl", "the key is one of the data files"),
        ("scrub rows.jsonl --out x.jsonl --key k.json --kinds mail", "unknown kind 'mail'"),
        ("restore rows.jsonl --out x.jsonl --key none.json", "cannot read the key"),
        ("decontaminate rows.jsonl --out x.jsonl", "nothing to look for"),
        ("decontaminate rows.jsonl --out x.jsonl --copyright .", "no index"),
        ("toxic rows.jsonl --out x.jsonl --labels rows.jsonl --label ok", "2 toxic and 1 other"),
        ("toxic rows.jsonl --out x.jsonl --labels rows.jsonl --label prompt", "is neither true nor false"),
        ("toxic rows.jsonl --out x.jsonl --labels rows.jsonl", "no column 'toxic'"),
        (
            "toxic rows.jsonl --out x.jsonl --labels rows.jsonl --label ok --recall 2",
            "--recall: 2; expected above 0",
        ),
        (
            "toxic rows.jsonl --out x.jsonl --labels rows.jsonl --label ok --learn -4",
            "--learn: -4; expected 0",
        ),
        (
            "dedupe rows.jsonl --out x.jsonl --dropped x.jsonl",
            "x.jsonl: written twice; give --dropped another",
        ),
        (
            "dedupe rows.jsonl --out x.jsonl --dropped rows.jsonl",
            "rows.jsonl: the same file is read and written",
        ),
        ("dedupe rows.jsonl --out x", "x: cannot write a file without a suffix"),
        ("scrub none.jsonl --out x.jsonl --key k.json", "none.jsonl: no such file"),
        ("scrub empty.jsonl --out x.jsonl --key k.json", "empty.jsonl: no rows"),
        ("restore rows.jsonl --out x.jsonl --key none.json", "cannot read the key (No such file"),
        (
            "decontaminate rows.jsonl --out x.jsonl --against rows.jsonl --against a/rows.jsonl",
            "2 files are called",
        ),
        ("index rows.jsonl --out .", ".: not a name for a new folder"),
        ("index rows.jsonl --out rows.jsonl", "rows.jsonl: a file, not a folder"),
        ("index a=rows.jsonl a=rows.jsonl --out x", "2 files are called 'a'; give each a name of its own"),
        ("balance rows.jsonl --group score --label prompt", "is neither true nor false"),
        ("balance empty.jsonl --group score", "empty.jsonl: no rows"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(data, capsys, words, message):
    (data / "empty.jsonl").write_text("")
    before = sorted(p.name for p in data.iterdir())
    status, _, err = run(capsys, *words.split())
    assert status == exits.BAD_INPUT
    assert message in err
    assert err.count("\n") == 1
    assert sorted(p.name for p in data.iterdir()) == before
