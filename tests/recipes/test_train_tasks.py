"""coin, adpa and MiniLLM from the command's words: their data, their other models, and a kill that changes nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import truenorth.recipes.train as job
from truenorth.base import UserError, write_jsonl
from truenorth.cli.main import main
from truenorth.engine import Run
from truenorth.learn import fit
from truenorth.learn.on_policy import minillm_rounds
from truenorth.learn.paraphrases import coin_tasks
from truenorth.models.local import LocalModel
from truenorth.recipes.train import config_of, train
from truenorth.recipes.train_forecast import description
from truenorth.recipes.train_inputs import ready
from truenorth.recipes.train_reading import settings_from

WORDS = ("fish", "boats", "nets", "rope")


def asked(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def said(text: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": text}]


ROWS = [
    {"prompt": asked(f"Who sells {w}?"), "paraphrase": asked(f"Name the seller of {w}."), "completion": said("Anna.")}
    for w in WORDS
]  # fmt: skip
PLAIN = [{k: v for k, v in row.items() if k != "paraphrase"} for row in ROWS]


def prepared(tmp_path: Path, objective: str, rows=ROWS, **given):
    write_jsonl(tmp_path / "rows.jsonl", rows)
    how = {"data": str(tmp_path / "rows.jsonl"), "max_steps": 4, "learning_rate": 5e-3, **given}
    return ready(settings_from(objective, {**how, "per_device_train_batch_size": 2})[0])


def trained(tmp_path: Path, made, name: str = "run", **how):
    with Run.open(tmp_path / name, config=config_of(made)) as run:
        return train(made, run, quiet=True, **how)


def weights(folder: Path | LocalModel) -> dict[str, torch.Tensor]:
    module = (folder if isinstance(folder, LocalModel) else LocalModel.load(folder)).module
    return {name: p.detach() for name, p in module.named_parameters()}


def alike(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


def test_coin_learns_both_wordings_as_its_own_function_does(tmp_path: Path, tiny_llama):
    folder = tiny_llama()
    made = prepared(tmp_path, "coin", model=str(folder))
    assert (len(made.examples), len(made.imitated)) == (4, 8)
    assert "imitation after either wording" in description(made, tmp_path)
    result = trained(tmp_path, made)
    model = LocalModel.load(folder)
    rows = [{**row, "completion": "Anna."} for row in ROWS]
    imitation, contrast = coin_tasks(model, rows, batch=2)
    named = replace(
        contrast, name="train", objective="coin"
    )  # which examples a step sees depends on the name
    fit(model, [named, imitation], steps=4, lr=5e-3, schedule="linear")
    assert alike(weights(result.model), weights(model))


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        (PLAIN, "no column 'paraphrase'"),
        ([*ROWS, {**ROWS[0], "paraphrase": ROWS[0]["prompt"]}], r"rows \[4\] have no second wording"),
        ([*ROWS, {**ROWS[0], "paraphrase": None}], r"paraphrase missing \(rows 4\)"),
    ],
)
def test_coin_says_which_rows_have_no_second_wording(tmp_path: Path, tiny_llama, rows, complaint):
    with pytest.raises(UserError, match=complaint):
        prepared(tmp_path, "coin", rows, model=str(tiny_llama()))


def test_adpa_learns_from_its_own_answers_beside_those_of_the_data(tmp_path: Path, tiny_llama):
    student, after, before = (str(tiny_llama(seed=s)) for s in (1, 2, 3))
    more = {"model": student, "ref_model": after, "baseline_model": before, "max_new_tokens": 6}
    made = prepared(tmp_path, "adpa", PLAIN, **more, sft_weight=2.0)
    assert "4 answers of at most 6 tokens that the model draws" in description(made, tmp_path)
    result = trained(tmp_path, made)
    with Run.open(tmp_path / "run", config=config_of(made)) as run:
        drawn = run.view().rows("answers")
    assert len(drawn) == 4
    assert all(1 <= len(row.data["completion"]) <= 6 for row in drawn)
    assert not alike(weights(result.model), weights(Path(student)))


def test_minillm_is_its_rounds(tmp_path: Path, tiny_llama):
    student, teacher = (tiny_llama(seed=s) for s in (1, 2))
    more = {"model": str(student), "teacher_model": str(teacher), "max_new_tokens": 6, "rounds": 2}
    made = prepared(tmp_path, "minillm", PLAIN, **more, gamma=0.9)
    result = trained(tmp_path, made)
    model = LocalModel.load(student)
    how = {
        "rounds": 2,
        "steps": 2,
        "lr": 5e-3,
        "max_tokens": 6,
        "batch": 2,
        "schedule": "linear",
        "gamma": 0.9,
    }
    corpus = made.examples
    minillm_rounds(model, LocalModel.load(teacher), [r["prompt"] for r in PLAIN], corpus=corpus, **how)
    assert alike(weights(result.model), weights(model))
    steps = [m["step"] for m in _metrics(tmp_path / "run") if "loss" in m]
    assert steps == [1, 2, 3, 4]


def _metrics(run: Path):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("objective", ["coin", "adpa", "minillm"])
def test_killed_in_between_it_ends_with_the_same_weights(tmp_path: Path, tiny_llama, objective, monkeypatch):
    others = {"ref_model": str(tiny_llama(seed=2)), "max_new_tokens": 4, "rounds": 2, "save_steps": 1}
    others |= {"baseline_model": str(tiny_llama(seed=3))} if objective == "adpa" else {}
    others = others if objective != "coin" else {"save_steps": 1}
    made = prepared(
        tmp_path, objective, ROWS if objective == "coin" else PLAIN, model=str(tiny_llama()), **others
    )
    whole = trained(tmp_path, made, "whole")
    plain = job._watcher

    def breaking(*given):
        watch = plain(*given)

        def on_step(numbers):
            watch(numbers)
            if numbers["step"] == 3:
                raise KeyboardInterrupt

        return on_step

    monkeypatch.setattr(job, "_watcher", breaking)
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path, made, "killed")
    monkeypatch.setattr(job, "_watcher", plain)
    again = trained(tmp_path, made, "killed")
    assert alike(weights(whole.model), weights(again.model))


@pytest.mark.parametrize(
    ("objective", "given", "complaint"),
    [
        ("adpa", {}, "--ref_model.*after it learned preferences"),
        ("adpa", {"ref_model": "r"}, "--baseline_model.*before it learned"),
        ("minillm", {}, "--ref_model: minillm needs another model.*the teacher"),
        ("minillm", {"ref_model": "r", "include_current": True}, "include_current is not for training"),
        ("dpo", {"baseline_model": "r"}, "has no use for it"),
        ("minillm", {"teacher_share": 1.5}, r"in \[0, 1\]"),
    ],
)
def test_other_models_are_asked_for_by_their_arguments(
    tmp_path: Path, tiny_llama, objective, given, complaint
):
    with pytest.raises(UserError, match=complaint):
        prepared(tmp_path, objective, PLAIN, model=str(tiny_llama()), **given)


def test_whole_texts_have_no_prompts_to_answer(tmp_path: Path, tiny_llama):
    rows, folder = [{"text": "the harbour opens"}] * 2, str(tiny_llama())
    with pytest.raises(UserError, match="has no prompts"):
        prepared(tmp_path, "minillm", rows, model=folder, ref_model=folder)


def test_what_is_drawn_cannot_be_evaluated_on_held_out_rows(tmp_path: Path, tiny_llama):
    folder = str(tiny_llama())
    made = prepared(tmp_path, "minillm", PLAIN, model=folder, ref_model=folder, test_split_size=2)
    with pytest.raises(UserError, match="minillm cannot be evaluated"):
        trained(tmp_path, made)


def test_the_command_trains_coin(tmp_path: Path, tiny_llama, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_jsonl("rows.jsonl", ROWS)
    words = ["train", "coin", "--model", str(tiny_llama()), "--data", "rows.jsonl", "--temperature", "0.1"]
    assert main([*words, "--sft_weight", "0.5", "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert "coin (temperature=0.1)" in told
    assert "imitation after either wording, weight 0.5" in told
    assert "not used" not in told
    assert main([*words, "--max_steps", "1", "-q"]) == 0
    assert (tmp_path / "runs").exists()
