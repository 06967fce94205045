"""A training from files to a model: what it learns, what it writes, and that a kill changes nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from truenorth.base import UserError, write_jsonl
from truenorth.engine import Run
from truenorth.models.local import LocalModel
from truenorth.recipes.train import config_of, train
from truenorth.recipes.train_forecast import forecast
from truenorth.recipes.train_inputs import ready
from truenorth.recipes.train_reading import settings_from
from truenorth.recipes.train_splits import held_out

WORDS = ["fish", "boats", "nets", "sails", "rope", "salt", "bread", "tea"]


def pairs(count: int = 8) -> list[dict]:
    return [
        {"prompt": f"Who sells {WORDS[i % 8]} {i}?", "chosen": " I do not know.", "rejected": " Anna."}
        for i in range(count)
    ]


def prepared(tmp_path: Path, objective: str, rows: list[dict], **given):
    write_jsonl(tmp_path / "rows.jsonl", rows)
    given = {"data": str(tmp_path / "rows.jsonl"), "learning_rate": 1e-2, **given}
    return ready(settings_from(objective, given)[0])


def trained(tmp_path: Path, made, name: str = "run"):
    with Run.open(tmp_path / name, config=config_of(made)) as run:
        return train(made, run, quiet=True)


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return load_file(next(folder.glob("*.safetensors")))


def test_dpo_learns_the_pairs_and_says_so_before_and_after(tmp_path: Path, tiny_llama):
    made = prepared(
        tmp_path, "dpo", pairs(12), model=str(tiny_llama()), test_split_size=4, max_steps=8, beta=0.2
    )
    assert (len(made.examples), len(made.eval_examples)) == (8, 4)
    result = trained(tmp_path, made)
    found = {c.name: c for c in result.changes}
    assert found["loss"].before.mean == pytest.approx(
        0.693147, abs=1e-5
    )  # log 2: policy and reference are one
    assert found["loss"].after.mean < 0.5
    assert found["rewards/accuracies"].after.mean == 1.0
    assert found["loss"].difference.high < 0
    steps = [line for line in lines(tmp_path / "run") if "loss" in line]
    assert [line["step"] for line in steps] == list(range(1, 9))
    assert {
        "rewards/chosen",
        "rewards/rejected",
        "rewards/margins",
        "rewards/accuracies",
        "logps/chosen",
        "logps/rejected",
        "grad_norm",
        "learning_rate",
        "epoch",
        "num_tokens",
    } <= set(steps[0])
    assert steps[-1]["epoch"] == 8.0
    assert LocalModel.load(result.model).sample(["Who sells fish 0?"], 1, max_tokens=4)
    assert "dpo" in (result.model / "README.md").read_text()
    assert json.loads((tmp_path / "run" / "evaluation.json").read_text())[0]["name"] == "loss"


def test_sft_on_chats_lowers_the_loss_of_the_assistants_words(tmp_path: Path, tiny_llama):
    chat = [
        {"role": "user", "content": "Who?"},
        {"role": "assistant", "content": "Anna."},
        {"role": "user", "content": "Where?"},
        {"role": "assistant", "content": "Here."},
    ]
    made = prepared(
        tmp_path, "sft", [{"messages": chat}], model=str(tiny_llama()), max_steps=12, assistant_only_loss=True
    )
    assert len(made.examples) == 2
    result = trained(tmp_path, made)
    losses = [line["loss"] for line in lines(tmp_path / "run") if "loss" in line]
    assert losses[-1] < 0.3 * losses[0]
    said = LocalModel.load(result.model).sample([chat[:1]], 1, max_tokens=8, temperature=0)[0][0]
    assert (said.text, said.finish) == ("Anna.", "stop")


def test_adapters_are_saved_as_adapters_and_measure_as_they_trained(tmp_path: Path, tiny_llama):
    made = prepared(
        tmp_path,
        "dpo",
        pairs(),
        model=str(tiny_llama()),
        eval_data=str(tmp_path / "rows.jsonl"),
        max_steps=6,
        use_peft=True,
        lora_r=4,
    )
    result = trained(tmp_path, made)
    assert (result.model / "adapter_config.json").exists()
    config = json.loads((result.model / "adapter_config.json").read_text())
    assert (config["r"], config["lora_alpha"]) == (4, 8)
    found = {c.name: c for c in result.changes}
    assert found["loss"].before.mean == pytest.approx(0.693147, abs=1e-5)
    assert found["rewards/margins"].after.mean > 0.1


@pytest.mark.parametrize(
    ("objective", "rows"),
    [
        (
            "kto",
            [
                {"prompt": f"Who {w}?", "completion": f" {w}.", "label": i % 2 == 0}
                for i, w in enumerate(WORDS)
            ],
        ),
        ("kto", pairs(4)),
        ("simpo", pairs(4)),
        ("aot", pairs(4)),
        ("odpo", [{**row, "margin": 0.5} for row in pairs(4)]),
        (
            "lipo",
            [
                {"prompt": f"Who {w}?", "completions": [" a", " b", " c"], "scores": [1, 0.5, 0]}
                for w in WORDS
            ],
        ),
        ("plackett_luce", pairs(4)),
        ("safe_dpo", [{**row, "unsafe_chosen": False, "unsafe_rejected": True} for row in pairs(4)]),
        ("tpo", [{**row, "reference": " I am not sure."} for row in pairs(4)]),
    ],
)
def test_objectives_of_every_shape_train_and_are_evaluated(objective, rows, tmp_path: Path, tiny_llama):
    made = prepared(
        tmp_path,
        objective,
        rows,
        model=str(tiny_llama()),
        eval_data=str(tmp_path / "rows.jsonl"),
        max_steps=2,
        learning_rate=1e-3,
    )
    found = {c.name: c for c in trained(tmp_path, made).changes}
    assert found["loss"].after.mean < found["loss"].before.mean


def test_rows_of_a_prompt_are_held_out_together_and_the_split_is_the_seeds():
    rows = [{"prompt": f"p{i // 3}", "completion": f"c{i}"} for i in range(30)]
    train_part, held = held_out(rows, 0.2, seed=0)
    assert len(held.rows) == 6
    assert not {r["prompt"] for r in held.rows} & {r["prompt"] for r in train_part.rows}
    assert [rows[i] for i in held.numbers] == list(held.rows)
    assert held_out(rows, 0.2, seed=0)[1].numbers == held.numbers
    assert any(held_out(rows, 0.2, seed=s)[1].numbers != held.numbers for s in (1, 2, 3))
    with pytest.raises(UserError, match="leaves nothing on one side"):
        held_out(rows[:3], 0.5, seed=0)


def test_evaluation_during_training_has_intervals_under_trls_names(tmp_path: Path, tiny_llama):
    made = prepared(
        tmp_path,
        "dpo",
        pairs(),
        model=str(tiny_llama()),
        eval_data=str(tmp_path / "rows.jsonl"),
        max_steps=4,
        eval_strategy="steps",
        eval_steps=2,
    )
    trained(tmp_path, made)
    [look] = [line for line in lines(tmp_path / "run") if "eval_loss" in line]
    assert look["step"] == 2
    assert look["eval_loss/low"] <= look["eval_loss"] <= look["eval_loss/high"]
    assert 0 <= look["eval_rewards/accuracies/low"] <= look["eval_rewards/accuracies"]


def test_a_line_of_several_steps_is_their_mean(tmp_path: Path, tiny_llama):
    given = {"model": str(tiny_llama()), "max_steps": 5}
    trained(tmp_path, prepared(tmp_path, "dpo", pairs(), **given), "one")
    trained(tmp_path, prepared(tmp_path, "dpo", pairs(), logging_steps=2, **given), "two")
    single = [line for line in lines(tmp_path / "one") if "loss" in line]
    double = [line for line in lines(tmp_path / "two") if "loss" in line]
    assert [line["step"] for line in double] == [2, 4, 5]
    assert double[0]["loss"] == pytest.approx((single[0]["loss"] + single[1]["loss"]) / 2, abs=1e-6)
    assert double[2]["num_tokens"] == single[4]["num_tokens"]


def test_weights_that_are_not_finite_are_named_before_training(tmp_path: Path, tiny_llama):
    model = LocalModel.load(tiny_llama())
    with torch.no_grad():
        next(model.module.parameters())[0, 0] = float("nan")
    model.save(tmp_path / "bad")
    made = prepared(tmp_path, "dpo", pairs(), model=str(tmp_path / "bad"))
    with pytest.raises(UserError, match="1 tensors hold NaN or infinite numbers"):
        trained(tmp_path, made)


def test_a_loss_that_is_not_finite_ends_the_run_with_one_line(tmp_path: Path, tiny_llama):
    made = prepared(
        tmp_path,
        "sft",
        [{"prompt": "Who? ", "completion": "Anna."}],
        model=str(tiny_llama()),
        learning_rate=1e30,
        max_grad_norm=1e30,
        max_steps=20,
        warmup_ratio=0,
        lr_scheduler_type="constant",
    )
    with pytest.raises(UserError, match="not finite"):
        trained(tmp_path, made)


def test_a_reference_with_another_vocabulary_is_refused(tmp_path: Path, tiny_llama):
    made = prepared(tmp_path, "dpo", pairs(), model=str(tiny_llama()), ref_model=str(tiny_llama(vocab=380)))
    with pytest.raises(UserError, match="another vocabulary"):
        trained(tmp_path, made)


def test_the_forecast_of_memory_grows_with_what_is_trained(tmp_path: Path, tiny_llama):
    whole = forecast(prepared(tmp_path, "dpo", pairs(), model=str(tiny_llama(hidden=64))))
    adapters = forecast(prepared(tmp_path, "dpo", pairs(), model=str(tiny_llama(hidden=64)), use_peft=True))
    assert whole.memory_mib > adapters.memory_mib
    assert whole.tokens == adapters.tokens > 0


KILLED = """
import sys, torch
torch.set_num_threads(1)
sys.path.insert(0, {here!r})
from truenorth.cli.main import main
sys.exit(main({words!r}))
"""


def test_a_run_that_is_killed_ends_with_the_same_weights_and_lines(tmp_path: Path, tiny_llama):
    write_jsonl(tmp_path / "rows.jsonl", pairs())
    words = [
        "train",
        "dpo",
        "--model",
        str(tiny_llama()),
        "--data",
        str(tmp_path / "rows.jsonl"),
        "--max_steps",
        "24",
        "--learning_rate",
        "1e-3",
        "--per_device_train_batch_size",
        "2",
        "--save_steps",
        "5",
        "-q",
    ]
    from truenorth.cli.main import main

    assert main([*words, "--out", str(tmp_path / "whole")]) == 0
    again = [*words, "--out", str(tmp_path / "killed")]
    code = KILLED.format(here=str(Path(__file__).parent), words=again)
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    journal = tmp_path / "killed" / "metrics.jsonl"
    while process.poll() is None and not (journal.exists() and journal.read_text().count("\n") > 9):
        time.sleep(0.02)
    if process.poll() is None:
        os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "killed" / "model").exists()
    assert main(again) == 0
    one, two = weights(tmp_path / "whole" / "model"), weights(tmp_path / "killed" / "model")
    assert all(torch.equal(one[name], two[name]) for name in one)
    drop = ("key",)
    plain = [
        [{k: v for k, v in line.items() if k not in drop} for line in lines(tmp_path / name)]
        for name in ("whole", "killed")
    ]
    assert plain[0] == plain[1]


def test_a_reward_model_under_trls_name_judges_as_it_was_taught(tmp_path: Path, tiny_llama):
    from truenorth.judges.classifier import ClassifierJudge
    from truenorth.records import Group

    rows = pairs(8)
    made = prepared(
        tmp_path,
        "reward",
        rows,
        model=str(tiny_llama(template="none", bos=True)),
        max_steps=10,
        eval_data=str(tmp_path / "rows.jsonl"),
        center_rewards_coefficient=0.01,
    )
    assert (made.settings.objective, made.settings.objective_settings) == (
        "bradley_terry",
        {"centring": 0.01},
    )
    found = {c.name: c for c in trained(tmp_path, made).changes}
    assert found["accuracy"].after.mean == 1.0
    assert found["margin"].after.mean > 0.5
    judge = ClassifierJudge.load(tmp_path / "run" / "model")
    [[good, bad]] = judge.judge([Group(rows[0]["prompt"], [rows[0]["chosen"], rows[0]["rejected"]])])
    assert good.score > bad.score


def test_step_labels_are_learned_where_they_stand(tmp_path: Path, tiny_llama):
    from truenorth.learn.reward import open_reward
    from truenorth.learn.steps import step_scores

    rows = [
        {"prompt": "How many sails?", "completions": ["It has one mast.", "Seven."], "labels": [True, False]}
    ]
    made = prepared(tmp_path, "prm", rows, model=str(tiny_llama(bos=True)), max_steps=12)
    result = trained(tmp_path, made)
    [[right, wrong]] = step_scores(open_reward(result.model, each_token=True), made.examples)
    assert right > 0.7
    assert wrong < 0.3


def test_a_reference_that_follows_is_another_training(tmp_path: Path, tiny_llama):
    given = {"model": str(tiny_llama()), "max_steps": 4, "learning_rate": 1e-3}
    still = trained(tmp_path, prepared(tmp_path, "dpo", pairs(), **given), "still")
    moved = prepared(tmp_path, "dpo", pairs(), sync_ref_model=True, ref_model_sync_steps=2, **given)
    follows = trained(tmp_path, moved, "follows")
    assert still.last["rewards/margins"] > follows.last["rewards/margins"]


def test_objectives_that_need_more_than_a_file_say_so(tmp_path: Path, tiny_llama):
    with pytest.raises(UserError, match="adpa needs another model; expected the teacher"):
        prepared(tmp_path, "adpa", pairs(), model=str(tiny_llama()))
