"""`peft:` of a training: peft's kinds by their names, from the command's words to a folder that loads back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from truenorth.base import UserError, write_jsonl
from truenorth.engine import Run
from truenorth.learn import Lora, Peft
from truenorth.models.local import LocalModel
from truenorth.recipes.train import config_of, train
from truenorth.recipes.train_adapters import adapter_of, read_peft
from truenorth.recipes.train_forecast import description
from truenorth.recipes.train_inputs import ready
from truenorth.recipes.train_reading import settings_from

ALL = "all-linear"
IMITATED = [
    {"prompt": f"Who sells {what}?", "completion": " I do not know."} for what in ("fish", "nets", "tea")
]
ROWS = [
    {"prompt": f"Who sells {what}?", "chosen": " I do not know.", "rejected": " Anna."}
    for what in ("fish", "boats", "nets", "sails", "rope", "salt")
]


def prepared(tmp_path: Path, objective: str, **given):
    write_jsonl(tmp_path / "rows.jsonl", IMITATED if objective == "sft" else ROWS)
    return ready(settings_from(objective, {"data": str(tmp_path / "rows.jsonl"), "max_steps": 4, **given})[0])


def settings(**given):
    return settings_from("dpo", {"model": "m", "data": "d", **given})[0]


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({}, None),
        ({"use_peft": True}, Lora(16, 32)),
        ({"use_peft": True, "lora_r": 4, "lora_target_modules": "q_proj"}, Lora(4, 8, ("q_proj",))),
        ({"peft": "ia3"}, Peft("ia3")),
        ({"peft": "{type: VERA, r: 64}"}, Peft("vera", {"r": 64})),
        ({"peft": {"peft_type": "IA3"}}, Peft("ia3")),
        ({"peft": "dora", "lora_r": 4}, Peft("dora", {"r": 4, "lora_alpha": 8, "target_modules": ALL})),
        ({"peft": {"type": "pissa", "r": 2}}, Peft("pissa", {"r": 2, "lora_alpha": 32, "target_modules": ALL})),
        (
            {"use_peft": True, "use_dora": True},
            Peft("lora", {"r": 16, "lora_alpha": 32, "target_modules": "all-linear", "use_dora": True}),
        ),
        ({"peft": "bitfit"}, None),
        ({"peft": "ia3", "use_peft": False}, None),
    ],
)  # fmt: skip
def test_adapters_are_named_as_peft_names_them(given, wanted):
    assert adapter_of(settings(**given)) == wanted


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"peft": "lorra"}, "did you mean lora"),
        ({"peft": "{r: 4}"}, "names no kind"),
        ({"peft": "[a"}, "not YAML"),
        ({"peft": {"type": "ia3", "r": 4}}, "no setting 'r'"),
        ({"peft": "adalora"}, "a loop of its own"),
        ({"peft": "ia3", "use_dora": True}, "settings of lora"),
        ({"peft": "{type: bitfit, r: 1}"}, "no settings"),
        ({"peft": "prefix_tuning"}, "num_virtual_tokens: 20"),
    ],
)
def test_what_peft_lacks_or_cannot_be_trained_is_one_message_before_any_work(given, complaint):
    with pytest.raises(UserError, match=complaint):
        settings(**given)


def test_a_kind_is_read_from_a_word_or_a_mapping():
    assert read_peft("IA3") == read_peft("{peft_type: IA3}") == read_peft({"type": "ia3"}) == {"type": "ia3"}


@pytest.mark.parametrize("peft", ["dora", "pissa", "ia3", "{type: prompt_tuning, num_virtual_tokens: 4}"])
def test_what_is_saved_loads_back_as_it_trained(tmp_path: Path, tiny_llama, peft):
    """Loss before: log 2 where the adapter begins as nothing. After: as the saved folder scores."""
    folder = tiny_llama()
    more = {"eval_data": str(tmp_path / "rows.jsonl"), "eval_strategy": "steps", "eval_steps": 2}
    made = prepared(tmp_path, "dpo", model=str(folder), peft=peft, learning_rate=3e-2, **more)
    with Run.open(tmp_path / "run", config=config_of(made)) as run:
        result = train(made, run, quiet=True)
    loss = next(c for c in result.changes if c.name == "loss")
    assert loss.before.mean == pytest.approx(0.693147, abs=1e-5)
    assert loss.after.mean < 0.6
    assert json.loads((result.model / "adapter_config.json").read_text())["peft_type"]
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    halfway = next(line["eval_loss"] for line in lines if line["step"] == 2 and "eval_loss" in line)
    assert loss.after.mean < halfway < 0.69
    pair = (ROWS[0]["prompt"], ROWS[0]["chosen"])
    after, before = (
        LocalModel.load(folder, adapter=a).logprobs([pair])[0].total for a in (result.model, None)
    )
    assert after != before


def test_only_biases_move_and_the_model_is_saved_whole(tmp_path: Path, tiny_llama):
    folder = tiny_llama(architecture="gpt2", template="none")
    made = prepared(tmp_path, "sft", model=str(folder), peft="bitfit", learning_rate=1e-2)
    assert "biases only" in description(made, tmp_path)
    with Run.open(tmp_path / "run", config=config_of(made)) as run:
        result = train(made, run, quiet=True)
    one, other = (dict(LocalModel.load(p).module.named_parameters()) for p in (folder, result.model))
    moved = {name for name in one if not torch.equal(one[name], other[name])}
    assert moved
    assert all(name.endswith(".bias") for name in moved)
    made = prepared(tmp_path, "sft", model=str(tiny_llama()), peft="bitfit")
    with (
        pytest.raises(UserError, match="no biases to train"),
        Run.open(tmp_path / "none", config=config_of(made)) as run,
    ):
        train(made, run, quiet=True)


def test_virtual_tokens_take_their_places_in_the_context_and_judges_refuse_them(tmp_path: Path, tiny_llama):
    virtual = {"type": "prefix_tuning", "num_virtual_tokens": 40}
    with pytest.raises(UserError, match="context holds 216"):
        prepared(tmp_path, "dpo", model=str(tiny_llama()), peft=virtual, max_length=256)
    with pytest.raises(UserError, match="saved whole"):
        prepared(tmp_path, "bradley_terry", model=str(tiny_llama()), peft=virtual)


@pytest.mark.parametrize(
    ("objective", "peft", "rate"),
    [("sft", "ia3", 3e-3), ("dpo", "ia3", 3e-4), ("sft", "{type: p_tuning, num_virtual_tokens: 4}", 1e-2)],
)
def test_kinds_with_a_usual_rate_have_it(tmp_path: Path, tiny_llama, objective, peft, rate):
    assert prepared(tmp_path, objective, model=str(tiny_llama()), peft=peft).rate == pytest.approx(rate)
