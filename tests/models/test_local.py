"""Encoding, scoring and loading of local models, for the habits of many tokenizers and templates."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from truenorth.base import UserError
from truenorth.models import LocalModel
from truenorth.models.encoding import Pair, fold_system
from truenorth.models.scoring import score
from truenorth.records import Message, Prompt

CHAT: list[Message] = [{"role": "user", "content": "How many sails has a sloop?"}]
WITH_SYSTEM: list[Message] = [{"role": "system", "content": "Be brief."}, *CHAT]
KINDS: dict[str, dict[str, Any]] = {
    "chatml": {},
    "bos_chatml": {"template": "bos_chatml", "bos": True},
    "llama": {"template": "none", "bos": True},
    "gpt2": {"architecture": "gpt2", "template": "none"},
    "drops_system": {"template": "drops_system"},
    "raises_on_system": {"template": "raises_on_system"},
}


@pytest.fixture(params=list(KINDS))
def model(request: pytest.FixtureRequest, tiny_llama: Any) -> LocalModel:
    return LocalModel.load(tiny_llama(**KINDS[request.param]))


# --- encoding


@pytest.mark.parametrize("prompt", [CHAT, "How many sails", "Two ", "", "漁"])
@pytest.mark.parametrize("completion", ["It has two.", " two", "", "\n\nTwo", "港"])
def test_a_pair_begins_with_the_prompt_and_ends_with_the_end(
    model: LocalModel, prompt: Prompt, completion: str
) -> None:
    ids, answer = model.encode_pair(prompt, completion)
    assert ids == model.encode_prompt(prompt)
    assert answer[-1] in model.eos_ids
    assert answer[-1] not in answer[:-1]
    assert model.codec.text(prompt, ids, answer) == completion
    bos = model.tokenizer.bos_token_id
    assert [*ids, *answer].count(bos) <= 1


def test_half_a_character_is_read_as_an_unknown_one(model: LocalModel) -> None:
    assert model.encode_prompt("cut \ud83d here") == model.encode_prompt("cut \ufffd here")


def test_a_chat_is_encoded_as_transformers_encodes_it(model: LocalModel) -> None:
    if model.tokenizer.chat_template is None:
        assert model.encode_prompt(CHAT) == model.encode_prompt(CHAT[0]["content"])
        return
    rendered = model.tokenizer.apply_chat_template(CHAT, add_generation_prompt=True, return_dict=False)
    assert model.encode_prompt(CHAT) == rendered
    whole = model.tokenizer.apply_chat_template([*CHAT, _assistant("It has two.")], return_dict=False)
    pair = model.encode_pair(CHAT, "It has two.")
    assert [*pair.prompt, *pair.completion] == whole[: len(pair.prompt) + len(pair.completion)]
    assert model.tokenizer.decode(pair.completion) == "It has two.<|im_end|>"


@pytest.mark.parametrize(("kind", "starts"), [("llama", [0]), ("gpt2", []), ("bos_chatml", [0])])
def test_a_text_has_the_bos_that_its_tokenizer_adds_and_never_two(
    tiny_llama: Any, kind: str, starts: list[int]
) -> None:
    model = LocalModel.load(tiny_llama(**KINDS[kind]))
    bare = model.tokenizer("The harbour", add_special_tokens=False)["input_ids"]
    assert model.encode_prompt("The harbour") == [*starts, *bare]
    assert model.encode_prompt("<s>The harbour") == [0, *bare]


def test_a_chat_has_no_bos_but_the_one_that_its_template_writes(tiny_llama: Any) -> None:
    model = LocalModel.load(
        tiny_llama(bos=True)
    )  # the tokenizer puts <s> before a text, the template does not
    rendered = model.tokenizer.apply_chat_template(CHAT, add_generation_prompt=True, tokenize=False)
    chat = model.tokenizer(rendered, add_special_tokens=False)["input_ids"]
    text = model.tokenizer("The harbour")["input_ids"]
    assert (text[0], 0 in chat) == (0, False)
    assert model.codec.prompt_ids([CHAT, "The harbour", CHAT]) == [chat, text, chat]
    assert [pair.prompt for pair in model.encode_pairs([("The harbour", "a"), (CHAT, "a")])] == [text, chat]


@pytest.mark.parametrize("kind", ["drops_system", "raises_on_system"])
def test_a_template_without_a_system_turn_gets_its_text_before_the_user_turn(
    tiny_llama: Any, kind: str
) -> None:
    model = LocalModel.load(tiny_llama(**KINDS[kind]))
    with pytest.warns(UserWarning, match="no place for a system turn"):
        ids = model.encode_prompt(WITH_SYSTEM)
    again = model.encode_prompt(WITH_SYSTEM)  # warned once, counted twice
    assert model.counts["system_turn_folded"] == 2
    assert (
        ids
        == again
        == model.encode_prompt([{"role": "user", "content": f"Be brief.\n\n{CHAT[0]['content']}"}])
    )


def test_a_template_with_a_system_turn_keeps_it(tiny_llama: Any) -> None:
    model = LocalModel.load(tiny_llama())
    assert "<|im_start|>system\nBe brief.<|im_end|>" in model.tokenizer.decode(
        model.encode_prompt(WITH_SYSTEM)
    )
    assert model.counts["system_turn_folded"] == 0


def test_folding_keeps_the_other_turns_in_order() -> None:
    chat: list[Message] = [*WITH_SYSTEM, _assistant("Two."), {"role": "user", "content": "Sure?"}]
    assert [m["role"] for m in fold_system(chat)] == ["user", "assistant", "user"]
    assert fold_system(WITH_SYSTEM[:1]) == [{"role": "user", "content": "Be brief."}]


def test_turns_that_a_template_refuses_are_one_clear_error(tiny_llama: Any) -> None:
    model = LocalModel.load(tiny_llama())
    model.tokenizer.chat_template = "{{ raise_exception('roles must alternate') }}"
    with pytest.raises(UserError, match="roles must alternate"):
        model.encode_prompt([*CHAT, *CHAT])


def test_a_chat_that_ends_with_the_assistant_is_continued_inside_its_turn(tiny_llama: Any) -> None:
    model = LocalModel.load(tiny_llama())
    text = model.tokenizer.decode(model.encode_prompt([*CHAT, _assistant("It has")]))
    assert text.endswith("<|im_start|>assistant\nIt has")


def test_without_a_template_a_chat_is_the_contents_of_its_turns(tiny_llama: Any) -> None:
    model = LocalModel.load(tiny_llama(**KINDS["llama"]))
    assert model.encode_prompt(WITH_SYSTEM) == model.encode_prompt("Be brief.\nHow many sails has a sloop?")


def test_a_template_without_a_generation_prompt_is_opened_as_it_opens_answers(tiny_llama: Any) -> None:
    model = LocalModel.load(tiny_llama())
    model.tokenizer.chat_template = (
        "{% for m in messages %}{% if m['role'] == 'user' %}[Q] {{ m['content'] }}\n"
        "{% else %}[A] {{ m['content'] }}</s>{% endif %}{% endfor %}"
    )
    fresh = LocalModel.of(model.module, model.tokenizer, name="fresh")
    assert fresh.tokenizer.decode(fresh.encode_prompt(CHAT)).endswith("sloop?\n[A]")
    assert fresh.encode_pair(CHAT, "two").completion[-1] == fresh.tokenizer.eos_token_id
    begun = fresh.encode_prompt([*CHAT, _assistant("It has")])
    assert fresh.tokenizer.decode(begun).endswith(
        "sloop?\n[A] It has"
    )  # a turn that is open is not opened again


def test_the_end_of_a_turn_is_its_special_token_whatever_stands_before_it(tiny_llama: Any) -> None:
    model = LocalModel.load(tiny_llama())
    model.tokenizer.chat_template = model.tokenizer.chat_template.replace("'<|im_end|>", "'\n.<|im_end|>")
    fresh = LocalModel.of(model.module, model.tokenizer, name="fresh")
    assert fresh.encode_pair(CHAT, "two").completion[-1] == fresh.tokenizer.convert_tokens_to_ids(
        "<|im_end|>"
    )


def test_an_end_that_the_tokenizer_adds_is_not_read_as_the_prompts(tiny_llama: Any) -> None:
    from tokenizers import processors

    model = LocalModel.load(tiny_llama(template="none"))
    bare = model.encode_prompt("The harbour")
    both = [("<s>", 0), ("</s>", 1)]
    adds = processors.TemplateProcessing(single="<s> $A </s>", pair="<s> $A $B </s>", special_tokens=both)
    model.tokenizer._tokenizer.post_processor = adds
    assert model.tokenizer("The harbour")["input_ids"] == [0, *bare, 1]
    assert model.encode_prompt("The harbour") == [0, *bare]
    assert model.encode_pair("The harbour", " opens", end=False).completion[-1] != 1
    assert model.encode_pair("The harbour", " opens").completion.count(1) == 1


def test_sampled_text_of_a_continuation_keeps_its_space(shared: Path) -> None:
    model = LocalModel.load(shared / "models" / "stories260K")
    prompt = "Once upon a"
    ids = model.encode_prompt(prompt)
    assert ids[0] == 1
    for completion in (" time", ", there", "n old"):
        pair = model.encode_pair(prompt, completion, end=False)
        assert pair.prompt == ids
        assert model.codec.text(prompt, ids, pair.completion) == completion
    whole = model.tokenizer(f"{prompt} time")["input_ids"]
    assert [*ids, *model.encode_pair(prompt, " time", end=False).completion] == whole


# --- scoring

PAIRS: list[tuple[Prompt, str]] = [
    (CHAT, "It has two."),
    ("The harbour", " opens at nine"),
    (WITH_SYSTEM[1:], ""),
    ("Anna sells fish in the market;", " her brother repairs nets and boats. 漁港"),
    ("", "What is"),
]


def test_logprobs_are_those_of_a_plain_forward_pass(model: LocalModel) -> None:
    scored = model.logprobs(PAIRS)
    for (prompt, completion), got in zip(PAIRS, scored):
        chat = model.tokenizer.chat_template is not None and not isinstance(prompt, str)
        ids, answer = model.encode_pair(prompt, completion, end=chat)
        ids = ids or [model.tokenizer.bos_token_id]
        expected = plain_logprobs(model.module, ids, answer)
        assert got.tokens == pytest.approx(expected, abs=1e-5)
        assert got.total == pytest.approx(sum(expected), abs=1e-4)
        assert len(got.tokens) == len(answer)


@pytest.mark.parametrize("batch_tokens", [1, 40, 10_000])
def test_neither_padding_nor_batches_change_a_score(model: LocalModel, batch_tokens: int) -> None:
    encoded = [Pair(p or [0], c) for p, c in model.encode_pairs(PAIRS)]
    alone = [score(model.module, [pair], pad_id=2)[0] for pair in encoded]
    for padding in ("right", "left"):
        got = score(model.module, encoded, pad_id=2, padding=padding, batch_tokens=batch_tokens)
        for a, b in zip(got, alone):
            assert a == pytest.approx(b, abs=1e-5)


def test_a_pair_longer_than_the_context_is_named(tiny_llama: Any) -> None:
    model = LocalModel.load(tiny_llama(context=24))
    with pytest.raises(UserError, match="row 1"):
        model.logprobs([("a", "b"), ("a", "b " * 40)])


def test_answer_logprobs_give_every_option_its_own(tiny_llama: Any) -> None:
    model = LocalModel.load(tiny_llama())
    ticks: list[int] = []
    told = model.answer_logprobs([CHAT, "Is it"], ["Yes", "never"], tick=ticks.append)
    assert [list(row or {}) for row in told] == [["Yes", "never"]] * 2
    assert sum(ticks) == 2
    ids, answer = model.encode_pair(CHAT, "never", end=False)
    assert (told[0] or {})["never"] == pytest.approx(sum(plain_logprobs(model.module, ids, answer)), abs=1e-4)


def test_the_real_story_model_reads_stories_at_its_published_loss(shared: Path) -> None:
    model = LocalModel.load(shared / "models" / "stories260K")
    paragraphs = _sample(shared).split("\n\n")
    stories: list[str] = []
    for paragraph in paragraphs:  # the file has no marks between stories; most begin in one of these ways
        if re.match("Once upon a time|One day|Once there", paragraph):
            stories.append(paragraph)
        elif stories:
            stories[-1] += f"\n{paragraph}"  # one newline, as the model was trained
    pairs = model.encode_pairs([("", story) for story in stories], end=False)
    rows = score(model.module, [Pair(p, c[:511]) for p, c in pairs], pad_id=0)
    nll = -sum(map(sum, rows)) / sum(map(len, rows))
    # Over the whole file: 1.68 story by story, 1.90 in windows across stories; the note beside it says 1.64.
    assert nll == pytest.approx(1.64, abs=0.1)
    for pair, row in zip(pairs[:3], rows):
        expected = plain_logprobs(model.module, pair.prompt, pair.completion[:511])
        assert row == pytest.approx(expected, abs=1e-4)


def plain_logprobs(module: Any, ids: list[int], answer: list[int]) -> list[float]:
    """transformers' plain forward pass over one sequence."""
    if not answer:
        return []
    with torch.inference_mode():
        logits = module(input_ids=torch.tensor([[*ids, *answer]])).logits[0, len(ids) - 1 : -1]
    return logits.double().log_softmax(-1).gather(1, torch.tensor(answer)[:, None])[:, 0].tolist()


def _sample(shared: Path) -> str:
    return (shared / "data" / "tinystories_sample" / "tinystories_sample.txt").read_text(encoding="utf-8")


def _assistant(content: str) -> Message:
    return {"role": "assistant", "content": content}


# --- loading


def copied(source: Path, target: Path) -> Path:
    return Path(shutil.copytree(source, target / "model"))


def test_a_folder_that_is_not_there_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such model folder"):
        LocalModel.load(tmp_path / "absent")
    with pytest.raises(UserError, match=r"no config\.json in it"):
        LocalModel.load(tmp_path)


def test_a_hub_id_that_cannot_be_had_is_one_clear_error() -> None:
    with pytest.raises(UserError, match="no-such-owner/no-such-model"):
        LocalModel.load("no-such-owner/no-such-model")


def test_truncated_weights_are_named(tiny_llama: Any, tmp_path: Path) -> None:
    folder = copied(tiny_llama(), tmp_path)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(UserError, match=r"model\.safetensors: truncated"):
        LocalModel.load(folder)


def test_weights_that_can_run_code_are_refused(tiny_llama: Any, tmp_path: Path) -> None:
    folder = copied(tiny_llama(), tmp_path)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(UserError, match="can run code"):
        LocalModel.load(folder)


def test_missing_tensors_are_counted_and_named(tiny_llama: Any, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = copied(tiny_llama(), tmp_path)
    tensors = load_file(folder / "model.safetensors")
    del tensors["model.layers.1.mlp.up_proj.weight"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match=r"1 tensors are missing \(model\.layers\.1\.mlp\.up_proj\.weight\)"):
        LocalModel.load(folder)


@pytest.mark.parametrize("content", ["{", '{"model_type": "no_such_thing"}', '{"model_type": "bert"}', "{}"])
def test_a_configuration_that_is_not_a_language_models_is_refused(
    tiny_llama: Any, tmp_path: Path, content: str
) -> None:
    folder = copied(tiny_llama(), tmp_path)
    (folder / "config.json").write_text(content)
    with pytest.raises(UserError):
        LocalModel.load(folder)


def test_a_missing_tokenizer_is_one_clear_error(tiny_llama: Any, tmp_path: Path) -> None:
    folder = copied(tiny_llama(), tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    with pytest.raises(UserError, match="tokenizer"):
        LocalModel.load(folder)


def test_code_that_comes_with_a_model_does_not_run(tiny_llama: Any, tmp_path: Path) -> None:
    folder = copied(tiny_llama(), tmp_path)
    mark = tmp_path / "ran"
    (folder / "evil.py").write_text(f"open({str(mark)!r}, 'w')\n")
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = {"AutoConfig": "evil.Config", "AutoModelForCausalLM": "evil.Model"}
    config["model_type"] = "evil"
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError):
        LocalModel.load(folder)
    assert not mark.exists()


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")
def test_an_adapter_goes_on_top_and_a_wrong_one_is_refused(tiny_llama: Any, tmp_path: Path) -> None:
    from peft import LoraConfig, get_peft_model

    base = LocalModel.load(tiny_llama())
    plain = base.logprobs(PAIRS[:2])
    greedy = base.sample(["The harbour"], 3, max_tokens=6)
    lora = get_peft_model(base.module, LoraConfig(target_modules=["q_proj"], r=2, init_lora_weights=False))
    lora.save_pretrained(tmp_path / "adapter")
    adapted = LocalModel.load(tiny_llama(), adapter=tmp_path / "adapter")
    assert adapted.name.endswith("+adapter")
    assert adapted.logprobs(PAIRS[:2])[0].total != pytest.approx(plain[0].total, abs=1e-3)
    assert adapted.shares_prompts
    assert adapted.sample(["The harbour"], 3, max_tokens=6) != greedy
    with adapted.module.disable_adapter():
        assert adapted.logprobs(PAIRS[:2])[0].total == pytest.approx(plain[0].total, abs=1e-4)
    with pytest.raises(UserError, match="not an adapter"):
        LocalModel.load(tiny_llama(), adapter=tmp_path)


def test_a_saved_model_is_the_same_model(tiny_llama: Any, tmp_path: Path) -> None:
    model = LocalModel.load(tiny_llama())
    model.save(tmp_path / "copy")
    again = LocalModel.load(tmp_path / "copy")
    assert again.name == "copy"
    assert again.logprobs(PAIRS) == model.logprobs(PAIRS)
    assert again.codec.turn == model.codec.turn


def test_more_stop_ids_may_be_named(tiny_llama: Any) -> None:
    assert LocalModel.load(tiny_llama(), stop_ids=[77]).eos_ids == {1, 4, 77}
