"""Arguments of `truenorth train`: TRL's names, types, ranges, and one line for what is wrong with them."""

from __future__ import annotations

import pytest

from truenorth.base import UserError
from truenorth.recipes.train_names import ALIASES, CANNOT, NEEDLESS
from truenorth.recipes.train_objective import objective_parameters
from truenorth.recipes.train_rates import default_rate
from truenorth.recipes.train_reading import bound, known_names, settings_from
from truenorth.recipes.train_settings import TrainSettings
from truenorth.recipes.train_values import from_yaml


def settings(objective: str = "dpo", **given) -> TrainSettings:
    return settings_from(objective, given)[0]


def refused(objective: str = "dpo", **given) -> str:
    with pytest.raises(UserError) as error:
        settings_from(objective, given)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_text_and_yaml_values_become_the_types_that_arguments_have():
    made = settings(
        learning_rate="5e-7", max_steps="10", use_peft="true", max_length=None, num_train_epochs=2
    )
    assert (made.learning_rate, made.max_steps, made.use_peft, made.max_length) == (5e-7, 10, True, None)
    assert settings(lora_target_modules="q_proj v_proj").lora_target_modules == ("q_proj", "v_proj")
    assert settings(eval_strategy=False).eval_strategy == "no"  # YAML's bare no


def test_the_names_of_trl_mean_ours():
    made = settings(
        model_name_or_path="m", dataset_name="d", warmup_ratio=0.2, max_seq_length=64, lora_rank=4
    )
    assert (made.model, made.data, made.warmup, made.max_length, made.lora_r) == ("m", "d", 0.2, 64, 4)


def test_settings_of_the_objective_are_arguments_of_their_own_types():
    made = settings("ipo", beta="0.5", normalise="sum")
    assert made.objective_settings == {"beta": 0.5, "normalise": "sum"}
    assert bound(made).keywords == {"beta": 0.5, "normalise": "sum"}
    assert bound(settings("ipo")) == "ipo"
    assert "one of token, sum" in refused("ipo", normalise="words")


@pytest.mark.parametrize(
    ("objective", "given", "name", "its"),
    [
        ("dpo", {"loss_type": "ipo"}, "ipo", {}),
        ("dpo", {"loss_type": ["sigmoid_norm"], "beta": 5}, "ln_dpo", {"beta": 5.0}),
        ("cpo", {"loss_type": "simpo", "simpo_gamma": 0.5}, "simpo", {"gamma": 0.5}),
        ("kto", {"loss_type": "apo_zero_unpaired"}, "apo_zero_unpaired", {}),
        (
            "dpo",
            {"loss_type": "sigmoid sft", "loss_weights": [1.0, 0.5]},
            "mixture",
            {"losses": {"dpo": 1.0, "sft": 0.5}},
        ),
    ],
)
def test_loss_types_of_trl_are_objectives(objective, given, name, its):
    made = settings(objective, **given)
    assert (made.objective, made.objective_settings) == (name, its)


def test_every_loss_type_of_trl_names_an_objective_that_is_there():
    from truenorth.learn.trl_names import DPO_LOSS_TYPES

    for loss in DPO_LOSS_TYPES:
        assert objective_parameters(settings(loss_type=loss).objective) is not None


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"lerning_rate": 1}, "did you mean --learning_rate?"),
        ({"betta": 1}, "did you mean --beta?"),
        ({"zzz": 1}, "dpo has the settings beta"),
        ({"learning_rate": "fast"}, "'fast' is not a number"),
        ({"learning_rate": 0}, "above 0"),
        ({"learning_rate": float("nan")}, "is not a number"),
        ({"max_steps": 1.5}, "not a whole number"),
        ({"max_length": 1}, "at least 2"),
        ({"use_peft": "maybe"}, "expected true or false"),
        ({"lr_scheduler_type": "cosine_with_restarts"}, "expected one of linear, cosine"),
        ({"truncation_mode": "keep_stat"}, "did you mean keep_start?"),
        ({"optim": "paged_adamw_8bit"}, "expected one of adamw"),
        ({"eval_strategy": "steps"}, "nothing to evaluate on"),
        ({"eval_strategy": "steps", "eval_data": "x"}, "add --eval_steps"),
        ({"eval_data": "x", "test_split_size": 0.1}, "give one of them"),
        ({"load_in_4bit": True}, "--use_peft"),
        ({"deepspeed": "zero3.json"}, "one process and one device"),
        ({"loss_type": "ippo"}, "did you mean ipo?"),
        ({"loss_type": "ipo hinge", "loss_weights": "1"}, "1 weights for 2 losses"),
    ],
)
def test_what_is_wrong_is_one_line_with_the_way_out(given, says):
    assert says in refused(**given)


def test_what_has_no_effect_is_accepted_with_a_note_and_what_is_off_is_nothing():
    made, notes = settings_from("dpo", {"packing": True, "load_in_4bit": False, "push_to_hub": "false"})
    assert made == TrainSettings(objective="dpo")
    assert notes == [
        "packing has no effect: rows are always packed without padding, and attention never crosses them"
    ]


def test_every_argument_of_trls_trainers_is_understood_or_refused_with_a_reason():
    import dataclasses

    from trl import DPOConfig, KTOConfig, ModelConfig, RewardConfig, ScriptArguments, SFTConfig

    from truenorth.learn.trl_names import ARGUMENTS
    from truenorth.recipes.train_names import SETTINGS

    settings_of = {name for o in ("dpo", "kto") for name in objective_parameters(o)}
    known = {*known_names(), *settings_of, *ARGUMENTS, *SETTINGS}
    configs = (SFTConfig, DPOConfig, KTOConfig, RewardConfig, ModelConfig, ScriptArguments)
    theirs = {field.name for config in configs for field in dataclasses.fields(config)}
    assert theirs - known == set()


def test_no_name_stands_in_two_lists():
    assert not set(NEEDLESS) & set(CANNOT)
    assert not (set(NEEDLESS) | set(CANNOT)) & set(ALIASES)
    assert not (set(NEEDLESS) | set(CANNOT)) & set(TrainSettings.__dataclass_fields__)


def test_yaml_that_is_no_mapping_or_no_yaml_is_one_line(tmp_path):
    (tmp_path / "a.yaml").write_text("- 1\n")
    (tmp_path / "b.yaml").write_text("a: [1\n")
    (tmp_path / "c.yaml").write_text("learning-rate: 1.0e-6\n")
    with pytest.raises(UserError, match="not a mapping"):
        from_yaml(tmp_path / "a.yaml")
    with pytest.raises(UserError, match="not YAML"):
        from_yaml(tmp_path / "b.yaml")
    with pytest.raises(UserError, match="no such file"):
        from_yaml(tmp_path / "none.yaml")
    assert from_yaml(tmp_path / "c.yaml") == {"learning_rate": 1e-6}


def test_the_default_rate_falls_with_the_square_root_of_the_size():
    assert default_rate("sft", "answer", 10**9, lora=False) == 2e-5
    assert default_rate("dpo", "pair", 10**9, lora=False) == 1e-6
    assert default_rate("dpo", "pair", 4 * 10**9, lora=True) == pytest.approx(5e-6)
    assert default_rate("dpo", "pair", 1000, lora=False) == 2e-4
