"""`truenorth train` at the keyboard: flags and YAML, what it prints, and one line for every mistake."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from truenorth.base import write_jsonl
from truenorth.cli.main import main
from truenorth.cli.train import objective_settings

ROWS = [
    {"prompt": f"Who sells {what}? ", "chosen": "I do not know.", "rejected": "Anna sells it there."}
    for what in ("fish", "boats", "nets", "tea")
]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_jsonl("pairs.jsonl", ROWS)
    return tmp_path


def words(model: Path, *more: str, objective: str = "dpo") -> list[str]:
    return ["train", objective, "--model", str(model), "--data", "pairs.jsonl", *more]


def test_a_dry_run_shows_masks_findings_and_the_forecast_and_touches_nothing(here, tiny_llama, capsys):
    assert main(words(tiny_llama(template="none"), "--dry-run", "--beta", "0.3")) == 0
    said = capsys.readouterr().out
    assert "row 0, chosen: " in said
    assert "Who sells fish? ⟦I do not know.</s>⟧" in said
    assert "length bias" in said
    assert "dpo (beta=0.3" in said
    assert "memory     about" in said
    assert "time       about" in said
    assert [p.name for p in here.iterdir()] == ["pairs.jsonl"]


def test_modules_that_are_there_may_be_named_and_what_has_no_effect_is_said(here, tiny_llama, capsys):
    model = tiny_llama(template="none")
    named = ("--use_peft", "--lora_target_modules", "q_proj", "self_attn.v_proj", "--dry-run")
    assert main(words(model, *named)) == 0
    assert "no effect" not in capsys.readouterr().out
    assert main(words(model, "--peft", "{type: lora, target_modules: '.*_proj'}", "--dry-run")) == 0
    assert main(words(model, "--peft", "ln_tuning", "--dry-run")) == 0
    assert "no effect" not in capsys.readouterr().out
    assert main(words(model, "--lora_r", "4", "--dry-run")) == 0
    assert "lora_r has no effect: all weights are trained without --use_peft" in capsys.readouterr().out


def test_yaml_holds_the_same_names_and_flags_go_on_top(here, tiny_llama, capsys):
    Path("dpo.yaml").write_text(
        f"objective: dpo\nmodel_name_or_path: {tiny_llama(template='none')}\ndataset_name: pairs.jsonl\n"
        "max-steps: 2\nbeta: 0.5\nlearning_rate: 1.0e-3\noutput_dir: made\nbf16: true\n"
    )
    assert main(["train", "--config", "dpo.yaml", "--max_steps", "1", "--set", "beta=0.4"]) == 0
    said = capsys.readouterr()
    assert "bf16 has no effect" in said.err
    config = json.loads(Path("made/manifest.json").read_text())["config"]
    assert (config["max_steps"], config["objective_settings"], config["learning_rate"]) == (
        1,
        {"beta": 0.4},
        1e-3,
    )
    assert Path("made/model/config.json").exists()
    assert "model   made/model" in said.out


def test_names_may_have_dashes_or_underscores_and_switches_need_no_value(here, tiny_llama):
    model = tiny_llama(template="none")
    assert main(words(model, "--max-steps", "1", "--use-peft", "--lora-r", "2", "--out", "a", "-q")) == 0
    assert (
        main(words(model, "--max_steps=1", "--use_peft", "true", "--lora_r", "2", "--output_dir", "b", "-q"))
        == 0
    )
    for name in "ab":
        assert Path(name, "model/adapter_model.safetensors").exists()


def test_the_same_command_goes_on_and_other_settings_are_refused(here, tiny_llama, capsys):
    model = tiny_llama(template="none")
    assert main(words(model, "--max_steps", "1", "-q")) == 0
    assert main(words(model, "--max_steps", "1", "-q")) == 0
    assert main(words(model, "--max_steps", "2", "-q")) == 2
    assert "was started with other settings" in capsys.readouterr().err
    assert main(words(model, "--max_steps", "2", "--dry-run")) == 2  # and is said beforehand
    assert "was started with other settings" in capsys.readouterr().err
    assert main(words(model, "--max_steps", "1", "--dry-run")) == 0
    assert "runs/dpo-" in (said := capsys.readouterr().out)
    assert "going on with the" in said
    assert main(words(model, "--max_steps", "2", "--fresh", "-q")) == 0


def test_rows_with_errors_stop_the_work_and_can_be_left_out(here, tiny_llama, capsys):
    write_jsonl("pairs.jsonl", [*ROWS, {**ROWS[0], "rejected": ROWS[0]["chosen"]}])
    model = tiny_llama(template="none")
    assert main(words(model)) == 2
    assert "rejected the same as chosen (rows 4)" in capsys.readouterr().err
    assert main(words(model, "--lint-only")) == 1
    assert "error    rows" in capsys.readouterr().out
    assert main(words(model, "--skip-bad-rows", "--max_steps", "1")) == 0
    assert "left out" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--lerning_rate", "1"], "did you mean --learning_rate?"),
        (["--betta", "1"], "did you mean --beta?"),
        (["--learning_rate", "fast"], "'fast' is not a number"),
        (["--gamma", "1"], "no argument 'gamma'"),
        (["--load_in_4bit"], "--use_peft"),
        (["--set", "beta"], "'beta' sets nothing"),
        (["--max_length", "4000"], "context holds 256"),
        (["--max_length", "5", "--truncation_mode", "keep_start"], "the prompt alone fills the 5 tokens"),
        (["--data", "none.jsonl"], "no such file"),
        (["--data", "empty.jsonl"], "the file is empty"),
        (["--data", "half.jsonl"], "not JSON"),
        (["--data", "words.jsonl"], "are no known data; expected preference"),
        (["--model", "./nowhere"], "no such model folder"),
        (["--eval_data", "words.jsonl"], "words.jsonl: columns question, answer"),
        (["--config", "none.yaml"], "none.yaml: no such file"),
        (["--use_peft", "--lora_target_modules", "q_porj"], "did you mean q_proj?"),
        (["--use_peft", "--lora_target_modules", "q_proj", "no"], "no module 'no'; expected some of"),
        (["--use_peft", "--lora_target_modules", "self_attn", "--dry-run"], "has no module 'self_attn'"),
        (["--peft", "{type: ia3, target_modules: [down], feedforward_modules: [down]}"], "no module 'down'"),
        (["--peft", "{type: lora, target_modules: '.*porj'}"], "--peft, target_modules: "),
    ],
)
def test_each_mistake_is_one_line_before_any_work(more, says, here, tiny_llama, capsys):
    Path("empty.jsonl").touch()
    Path("half.jsonl").write_text('{"prompt": "a",')
    write_jsonl("words.jsonl", [{"question": "a", "answer": "b"}])
    before = sorted(p.name for p in here.iterdir())
    assert main(words(tiny_llama(template="none"), *more)) == 2
    said = capsys.readouterr().err.strip()
    assert says in said
    assert len(said.splitlines()) == 1
    assert sorted(p.name for p in here.iterdir()) == before


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["train"], "no objective"),
        (["train", "dppo", "--model", "m", "--data", "d"], "did you mean dpo"),
        (["train", "dpo", "--data", "d"], "no model"),
        (["train", "dpo", "--model", "m"], "no data"),
        (["train", "os:getcwd", "--model", "m", "--data", "d"], "--allow-code"),
    ],
)
def test_what_is_not_named_is_asked_for(given, says, here, capsys):
    assert main(given) == 2
    assert says in capsys.readouterr().err


def test_a_folder_that_is_no_place_to_write_is_one_line(here, tiny_llama, capsys):
    Path("taken").write_text("a file")
    assert main(words(tiny_llama(template="none"), "--out", "taken", "-q")) == 2
    assert "not a folder" in capsys.readouterr().err
    Path("locked").mkdir()
    os.chmod("locked", 0o500)
    if os.access("locked", os.W_OK):
        pytest.skip("this user may write anywhere")
    assert main(words(tiny_llama(template="none"), "--out", "locked/run", "-q")) == 2
    assert "locked" in capsys.readouterr().err


def test_help_names_the_arguments_and_the_settings_of_objectives(capsys):
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    said = capsys.readouterr().out
    for name in ("--learning_rate", "--use_peft", "--dry-run", "--beta", "--label_smoothing", "--eval_data"):
        assert name in said
    assert "--deepspeed" not in said


def test_settings_of_objectives_are_read_without_importing_them():
    found = objective_settings()
    assert "dpo" in found["beta"]
    assert "dpo" in found["label_smoothing"]


def test_rows_with_errors_are_left_out_of_everything_where_asked(here, tiny_llama, capsys):
    bad = [
        {"prompt": "Why?", "chosen": None, "rejected": "No."},
        {"prompt": "Why?"},
        {"prompt": 3, "chosen": "a"},
    ]
    write_jsonl("mixed.jsonl", [*bad, *ROWS, *bad])
    line = [
        "train",
        "dpo",
        "--model",
        str(tiny_llama(template="none")),
        "--data",
        "mixed.jsonl",
        "--max_steps",
        "1",
    ]
    assert main(line) == 2
    assert "chosen missing (rows 0, 1, 7, 8)" in capsys.readouterr().err
    assert main([*line, "--skip-bad-rows"]) == 0
    said = capsys.readouterr().err
    assert "left out" in said
    assert "duplicates" not in said  # those that repeat are left out


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--beta", "0"], "--beta: 0.0 is out of range; expected above 0"),
        (["--set", "beta=-1"], "--beta: -1.0 is out of range; expected above 0"),
        (["--seed", "-3"], "--seed: -3 is out of range; expected at least 0"),
    ],
)
def test_settings_that_teach_nothing_are_refused(here, tiny_llama, capsys, more, says):
    assert main(words(tiny_llama(template="none"), *more)) == 2
    assert says in capsys.readouterr().err
