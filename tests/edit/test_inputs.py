"""What a merge takes: LoRA folders as peft merges them, models with other vocabularies, models of the hub."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from edit_models import VOCAB, loaded, models, save, weights

from truenorth.base import UserError
from truenorth.edit import make_plan, merge, parse
from truenorth.edit.finding import open_model
from truenorth.edit.models import Reference
from truenorth.edit.reading import piece


def linear(*names: object, top: str = "") -> str:
    rows = "".join(f"  - {{model: {name}, parameters: {{weight: 1}}}}\n" for name in names)
    return f"merge_method: linear\n{top}\nmodels:\n{rows}"


def adapter_of(base: Path, folder: Path, **settings) -> dict[str, np.ndarray]:
    """Save a LoRA with random factors by peft; returns the weights after peft merges it."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    model = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", **settings))
    torch.manual_seed(1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_" in name or "modules_to_save" in name:
                parameter.normal_(0, 0.3)
    model.save_pretrained(folder)
    merged = model.merge_and_unload()
    return {name: tensor.detach().numpy().copy() for name, tensor in merged.named_parameters()}


LLAMA = {"r": 2, "lora_alpha": 6, "target_modules": ["q_proj", "down_proj", "embed_tokens"]}
KINDS = {
    "llama": (
        "llama",
        LLAMA | {"rank_pattern": {"down_proj": 3}, "alpha_pattern": {"layers.1.self_attn.q_proj": 9}},
    ),
    "rslora": (
        "llama",
        {"r": 4, "target_modules": ["v_proj"], "use_rslora": True, "modules_to_save": ["norm"]},
    ),
    "conv1d": ("gpt2", {"r": 2, "target_modules": ["c_attn"], "fan_in_fan_out": True}),
}


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("alone", [True, False])
def test_an_adapter_is_its_merged_model(kind: str, alone: bool, tmp_path: Path, tiny_llama, monkeypatch):
    architecture, settings = KINDS[kind]
    base = tiny_llama(architecture=architecture, template="none")
    theirs = adapter_of(base, tmp_path / "lora", **settings)
    monkeypatch.setattr("truenorth.edit.running.BLOCK", 100)
    name = tmp_path / "lora" if alone else f"{base}+{tmp_path / 'lora'}"
    ours = loaded(merge(make_plan(parse(linear(name))), tmp_path / "out"))
    assert len(ours) > 10
    for key, tensor in ours.items():
        own = key if key in theirs else f"transformer.{key}"
        np.testing.assert_allclose(tensor, theirs[own], atol=2e-6, err_msg=key)
    stored = loaded(base)
    assert any((ours[key] != stored[key]).any() for key in ours)


def test_an_adapter_that_is_not_plain_lora_is_refused(tmp_path: Path):
    base = models(tmp_path, 1)[0]
    folder = tmp_path / "lora"
    folder.mkdir()
    for config, said in (
        ({"peft_type": "IA3"}, "kind IA3"),
        ({"peft_type": "LORA", "use_dora": True}, "use_dora"),
        ({"peft_type": "LORA", "init_lora_weights": "pissa"}, "began as pissa"),
        ({"peft_type": "LORA"}, "no adapter_model.safetensors"),
    ):
        (folder / "adapter_config.json").write_text(json.dumps(config))
        with pytest.raises(UserError, match=said):
            open_model(Reference.parse(f"{base}+{folder}"))


def test_references_are_read_as_mergekit_writes_them():
    assert Reference.parse("a/b@main+c/d@v1") == Reference("a/b", "main", "c/d", "v1")
    assert str(Reference.parse("a/b@main+c/d@v1")) == "a/b@main+c/d@v1"
    with pytest.raises(UserError, match="cannot read the model"):
        Reference.parse("a+b+c")


def spoken(folder: Path, words: list[str], seed: int) -> Path:
    """A model with one row a word."""
    save(folder, weights(seed, vocab=len(words)), vocab_size=len(words))
    vocab = {word: i for i, word in enumerate(words)}
    tokenizer = {
        "version": "1.0",
        "added_tokens": [],
        "model": {"type": "WordLevel", "vocab": vocab, "unk_token": "a"},
    }
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    return folder


@pytest.mark.parametrize(("source", "words"), [("base", "abcde"), ("union", "abcdefg"), ("B", "bxdf")])
def test_rows_follow_their_words_into_the_results_vocabulary(source: str, words: str, tmp_path: Path):
    """A has a-e and is the base, B has b, d, f and x, C has e, g: a missing row is the base's, or the mean of all
    that have the word."""
    spelled = (
        {"A": "abcde", "B": "bxdf", "C": "eg"} if source != "union" else {"A": "abcde", "B": "bdf", "C": "eg"}
    )
    paths = {n: spoken(tmp_path / n, list(w), i) for i, (n, w) in enumerate(spelled.items())}
    chosen = source if source in ("base", "union") else paths[source]
    text = linear(
        paths["A"], paths["B"], paths["C"], top=f"base_model: {paths['A']}\ntokenizer_source: {chosen}"
    )
    out = merge(make_plan(parse(text)), tmp_path / "out")
    name = "model.embed_tokens.weight"
    held = {n: loaded(path)[name] for n, path in paths.items()}

    def row(model: str, word: str) -> np.ndarray:
        having = [n for n in spelled if word in spelled[n]]
        use = [model] if model in having else ["A"] if "A" in having else having
        return np.mean([held[n][spelled[n].index(word)] for n in use], 0)

    expected = [np.mean([row(model, word) for model in spelled], 0) for word in words]
    made = loaded(out)[name]
    np.testing.assert_allclose(made, expected, atol=1e-6)
    assert json.loads((out / "config.json").read_text())["vocab_size"] == len(words)
    from tokenizers import Tokenizer

    told = Tokenizer.from_file(str(out / "tokenizer.json")).get_vocab()
    assert told == {word: i for i, word in enumerate(words)}


def test_the_files_of_the_base_travel_and_its_training_state_does_not(tmp_path: Path):
    paths = models(tmp_path, 2)
    for name in (
        "generation_config.json",
        "trainer_state.json",
        "chat_template.jinja",
        "tokenizer_config.json",
    ):
        (paths[1] / name).write_text("{}")
    (paths[1] / "training_args.bin").write_text("x")
    text = linear(*paths, top=f"base_model: {paths[1]}\nchat_template: chatml")
    out = merge(make_plan(parse(text)), tmp_path / "out")
    assert {file.name for file in out.iterdir()} == {
        "config.json", "generation_config.json", "chat_template.jinja", "tokenizer_config.json", "model.safetensors",
        "truenorth_merge.json",
    }  # fmt: skip
    assert "<|im_start|>" in (out / "chat_template.jinja").read_text()


def test_a_model_of_the_hub_is_checked_before_its_weights_are_fetched(tmp_path: Path, monkeypatch):
    """A stand-in for the hub: headers on request, weights only after the shapes are known to fit."""
    import huggingface_hub
    from huggingface_hub.errors import LocalEntryNotFoundError

    there = save(tmp_path / "hub", weights(1))
    wide = save(tmp_path / "wide", weights(0, vocab=VOCAB + 1))
    asked = []

    def snapshot(path, *, revision=None, allow_patterns=None, local_files_only=False):
        weighty = allow_patterns is None or "*.safetensors" in allow_patterns
        if local_files_only and "weights" not in asked:
            raise LocalEntryNotFoundError("not here")
        asked.append("weights" if weighty else "small")
        return str(there)

    def metadata(path, *, revision=None):
        from truenorth.edit.storage import header

        tensors = {
            name: SimpleNamespace(dtype=t.dtype, shape=list(t.shape), data_offsets=(0, t.bytes))
            for name, t in header(there / "model.safetensors").items()
        }
        return SimpleNamespace(files_metadata={"model.safetensors": SimpleNamespace(tensors=tensors)})

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    monkeypatch.setattr(huggingface_hub, "get_safetensors_metadata", metadata)
    with pytest.raises(UserError, match="several shapes"):
        make_plan(parse(linear("owner/model", wide)))
    assert asked == ["small"]
    plan = make_plan(parse(linear("owner/model", models(tmp_path, 1)[0])))
    assert plan.download == sum(w.nbytes for w in weights(1).values())
    assert asked == ["small", "small"]
    made = loaded(merge(plan, tmp_path / "out"))
    assert "weights" in asked
    for name, tensor in made.items():
        np.testing.assert_allclose(tensor, (weights(0)[name] + weights(1)[name]) / 2, atol=1e-6)


def test_a_piece_of_a_tensor_is_a_piece_of_the_file(tmp_path: Path):
    model = open_model(Reference.parse(str(models(tmp_path, 1)[0])))
    part = model.part("model.layers.0.mlp.up_proj.weight")
    assert part is not None
    whole = weights(0)["model.layers.0.mlp.up_proj.weight"].ravel()
    np.testing.assert_array_equal(piece(part, 5, 11), whole[5:16])
    assert model.part("lm_head.weight") == model.part("model.embed_tokens.weight")  # tied
    assert model.part("nothing") is None
