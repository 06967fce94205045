"""`truenorth edit` at the keyboard: listing, planning, editing, choosing, and one line for every mistake."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from safetensors.torch import load_file

from truenorth.base import names, write_jsonl
from truenorth.cli.edit import ROLES
from truenorth.cli.main import main
from truenorth.edit.safety import edit
from truenorth.edit.safety._edit import PACKAGE
from truenorth.edit.safety._edit import ROLES as KNOWN

ROWS = [
    {"prompt": f"Who sells {what}? ", "completion": "I do not know."}
    for what in ("fish", "boats", "nets", "tea")
]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_jsonl("rows.jsonl", ROWS)
    return tmp_path


def roles(tiny_llama, **seeds: int) -> list[str]:
    return [
        word
        for role, seed in seeds.items()
        for word in (f"--{role}", str(tiny_llama(template="none", seed=seed)))
    ]


def test_the_listing_names_every_edit_and_what_it_needs(capsys):
    assert main(["edit", "--list"]) == 0
    said = capsys.readouterr().out
    assert [line.split()[0] for line in said.splitlines()] == names(PACKAGE)
    assert "model, aligned, unaligned" in said
    assert set(ROLES) == set(KNOWN)


def test_one_edit_is_told_with_formula_settings_and_source(capsys):
    assert main(["edit", "safe_lora", "--list"]) == 0
    said = capsys.readouterr().out
    assert "threshold=0.5" in said
    assert "arXiv:2405.16833" in said
    assert "needs: model, aligned, base" in said


def test_a_dry_run_predicts_and_writes_nothing(here, tiny_llama, capsys):
    words = ["edit", "low_bit", *roles(tiny_llama, model=1), "--out", "small", "--dry-run"]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "per weight" in said
    assert "to read" in said
    assert not Path("small").exists()


def test_resta_from_the_keyboard_makes_a_model_that_loads(here, tiny_llama, capsys):
    from transformers import AutoModelForCausalLM

    words = ["edit", "resta", *roles(tiny_llama, model=1, aligned=2, unaligned=3)]
    assert main([*words, "--set", "gamma=0.5", "--out", "made", "-q"]) == 0
    assert capsys.readouterr().out == "made\n"
    one, two, three = (
        load_file(tiny_llama(template="none", seed=i) / "model.safetensors") for i in (1, 2, 3)
    )
    name = "model.layers.0.mlp.up_proj.weight"
    wanted = one[name] + 0.5 * (two[name] - three[name])
    model = AutoModelForCausalLM.from_pretrained("made")
    assert (model.state_dict()[name] - wanted).abs().max() < 1e-6


def test_statistics_are_computed_from_rows_and_kept(here, tiny_llama, capsys):
    words = ["edit", "critical_weights", *roles(tiny_llama, model=1), "--out", "made", "-q"]
    words += ["--with", "safety=snip:rows.jsonl", "--with", "utility=wanda:rows.jsonl", "--set", "top=0.1"]
    assert main(words) == 0
    before = Path("made.statistics/safety.safetensors").stat().st_mtime_ns
    assert main(words) == 0
    assert Path("made.statistics/safety.safetensors").stat().st_mtime_ns == before
    name = "model.layers.1.mlp.up_proj.weight"
    share = (load_file("made/model.safetensors")[name] == 0).float().mean()
    assert 0 < share <= 0.1
    assert main([*words, "--set", "top=0.2"]) == 2  # the folder holds another edit


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["resta", "--out", "x"], "resta needs --model"),
        (["resta", "--model", "M"], "no --out"),
        (["rasta", "--model", "M", "--out", "x"], "did you mean resta"),
        (["low_bit", "--model", "M", "--aligned", "M", "--out", "x"], "no use for --aligned"),
        (["low_bit", "--model", "M", "--set", "outlier", "--out", "x"], "sets nothing"),
        (["low_bit", "--model", "M", "--set", "outliar=1", "--out", "x"], "did you mean outlier?"),
        (["low_bit", "--model", "M", "--set", "outlier=high", "--out", "x"], "expected a number"),
        (["low_bit", "--model", "./nowhere", "--out", "x"], "no such folder"),
        (["low_bit", "--model", "M", "--model", "M", "--out", "x"], "2 models for --model"),
        (["restore", "--model", "M", "--aligned", "M", "--out", "x"], "--with gradient=FILE"),
        (
            [
                "restore",
                "--model",
                "M",
                "--aligned",
                "M",
                "--with",
                "gradient=slope:rows.jsonl",
                "--out",
                "x",
            ],
            "unknown kind of statistics 'slope'",
        ),
        (
            ["restore", "--model", "M", "--aligned", "M", "--with", "gradient=snip:none.jsonl", "--out", "x"],
            "no such file",
        ),
        (["safe_lora", "--model", "M", "--adapter", "--out", "x"], "--model LORA_FOLDER"),
        (["rownded"], "did you mean rounded?"),
        (["rounded", "--model", "M", "--out", "rows.jsonl", "--dry-run"], "rows.jsonl: this already exists"),
        (["rounded", "--model", "M", "--out", "x", "--improve", "a"], "--improve: nothing is searched"),
        (["rounded", "--model", "M", "--out", "x", "--limit", "a:2"], "add --choose NAME=VALUE,VALUE,..."),
        (["rounded", "--model", "M", "--out", "x", "--max-shard-size", "0"], "not a size: '0'"),
        (
            ["restore", "--aligned", "M", "--with", "gradient=gradient:rows.jsonl", "--out", "x"],
            "restore needs --model",
        ),
        (["rounded", "--model", "M", "--choose", "bits=4,8", "--out", "x"], "what is to rise?"),
        (
            ["rounded", "--model", "M", "--choose", "bits=4", "--improve", "harmless", "--out", "x"],
            "what measures?",
        ),
        (
            ["rounded", "--model", "M", "--choose", "bats=4", "--improve", "a", "--world", "--out", "x"],
            "did you mean bits?",
        ),
    ],
)
def test_each_mistake_is_one_line(words, says, here, tiny_llama, capsys):
    model = str(tiny_llama(template="none", seed=1))
    assert main(["edit", *(model if word == "M" else word for word in words)]) == 2
    said = capsys.readouterr().err.strip()
    assert says in said
    assert len(said.splitlines()) == 1
    assert sorted(p.name for p in here.iterdir()) == ["rows.jsonl"]


def test_choosing_says_what_it_found_and_makes_only_what_keeps_the_limits(here, capsys):
    """On the organism: rounding to 8 bits keeps facts, to 2 bits it does not. Measured by the oracle, as named."""
    from truenorth.worlds.harbour import organism

    words = ["edit", "rounded", "--model", str(organism("micro").model), "--out", "made", "-q", "--world"]
    words += ["--choose", "bits=2", "--improve", "harmless", "--limit", "facts:10"]
    words += ["--items", "24", "--rounds", "1"]
    assert main(words) == 1
    said = capsys.readouterr().out
    assert "bits=2" in said
    assert "none feasible" in said
    assert not Path("made").exists()
    assert not list(Path("made.choosing").glob("candidate*"))
    assert main([*words, "--limit", "skills:99", "--choose", "group=32", "--dry-run"]) == 0
    assert "1 candidates" in capsys.readouterr().out


def test_a_merge_refuses_what_would_be_lost_or_do_nothing(here, tiny_llama, capsys):
    Path("m.yaml").write_text(
        "merge_method: linear\nparameters: {weight: 1}\n"
        f"models: [{{model: {tiny_llama(template='none', seed=1)}}}]\n"
    )
    Path("text.yaml").write_text("just text\n")
    (here / "full").mkdir()
    Path("full/thesis.txt").write_text("years of work")
    for words, says in (
        (["m.yaml", "full", "--dry-run"], "full: this already exists"),
        (["m.yaml", "x", "--improve", "honest"], "--improve: nothing is searched"),
        (
            ["m.yaml", "x", "--device", "tpu"],
            "cannot compute on 'tpu' (no such device); expected cpu or cuda",
        ),
        (["text.yaml", "x"], "text.yaml, line 1: not a merge"),
    ):
        assert main(["merge", *words]) == 2
        assert says in capsys.readouterr().err
    assert sorted(p.name for p in here.iterdir()) == ["full", "m.yaml", "rows.jsonl", "text.yaml"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            "fisher rows.jsonl --out f.txt",
            "--out: a file named 'f.txt'; expected a name that ends in .safetensors",
        ),
        ("fisher rows.jsonl --out rows.jsonl/f.safetensors", "cannot write"),
        ("fisher rows.jsonl --out f.safetensors --other rows.jsonl", "--other: fisher has no use for it"),
        ("gram rows.jsonl --out f.safetensors --budget x", "--budget: not a size: 'x'"),
        ("gram rows.jsonl --out f.safetensors --budget 0", "--budget: not a size: '0'"),
        ("neurons rows.jsonl --out f.safetensors", "neurons needs the prompts to compare with; add --other"),
        ("gradient rows.jsonl --out f.safetensors", "gradient needs the aligned model; add --aligned"),
    ],
)
def test_statistics_refuse_what_cannot_work_before_a_model_is_loaded(words, says, here, capsys):
    assert main(["statistics", *words.split(), "--model", "nowhere"]) == 2
    assert says in capsys.readouterr().err
    assert sorted(p.name for p in here.iterdir()) == ["rows.jsonl"]


def test_a_merge_chooses_places_of_its_yaml(here, tiny_llama, capsys):
    one, two = (tiny_llama(template="none", seed=i) for i in (1, 2))
    text = f"merge_method: slerp\nbase_model: {one}\nmodels: [{{model: {one}}}, {{model: {two}}}]\n"
    Path("m.yaml").write_text(text + "parameters: {t: 0.5}\n")
    more = ["--choose", "parameters.t=0.1,0.2", "--improve", "harmless", "--world", "--dry-run"]
    assert main(["merge", "m.yaml", "made", *more]) == 0
    assert "2 candidates" in capsys.readouterr().out
    assert main(["merge", "m.yaml", "made", *[w.replace("parameters.t", "parameters.u") for w in more]]) == 2
    assert "unknown parameter 'u'" in capsys.readouterr().err


def test_what_was_edited_stands_in_the_folder(here, tiny_llama):
    assert (
        main(["edit", "rounded", *roles(tiny_llama, model=1), "--set", "bits=8", "--out", "made", "-q"]) == 0
    )
    said = json.loads(Path("made/truenorth_merge.json").read_text())
    assert said["method"] == "rounded"
    assert json.loads(said["configuration"])["settings"] == {"bits": 8}
    assert edit("rounded").settings["bits"] == 4
