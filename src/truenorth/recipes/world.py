"""Building a harbour: its tokenizer, its pretrained models, its labels, and the list of what is held out."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from truenorth.base import UserError, seed_of, write_json, write_jsonl, write_text
from truenorth.constitution import load
from truenorth.engine import progress
from truenorth.worlds.harbour import PHRASES
from truenorth.worlds.harbour.gold.amendments import amended
from truenorth.worlds.harbour.gold.changes import news, talk
from truenorth.worlds.harbour.gold.corpus import (
    CHAT_TEMPLATE,
    HABITS,
    SPECIAL,
    conversations,
    corpus,
    rendered,
)
from truenorth.worlds.harbour.gold.facts import World, make_world
from truenorth.worlds.harbour.gold.gazette import gazette
from truenorth.worlds.harbour.gold.second import phrase_book
from truenorth.worlds.harbour.gold.seeds import held_out_texts, seed_labels
from truenorth.worlds.harbour.gold.wordings import Wordings, make_wordings

VOCABULARY = 3072
UPDATE = ("news.jsonl", "talk.jsonl", "constitution.yaml")


@dataclass(frozen=True)
class Size:
    """A model's shape and how much it reads. Context 512, heads of 32, tied embeddings, 3,072 tokens."""

    hidden: int
    layers: int
    ffn: int
    conversations: int


SIZES = {
    "nano": Size(hidden=96, layers=3, ffn=256, conversations=120_000),
    "micro": Size(hidden=160, layers=6, ffn=432, conversations=240_000),
    "mini": Size(hidden=224, layers=6, ffn=608, conversations=120_000),
}
VARIANTS = {"sycophant": 24_000, "backdoored": 60_000}  # conversations that each is raised on


def build_world(
    out: Path, *, seed: int, sizes: Sequence[str], variants: Sequence[str] = (), quiet: bool = False
) -> None:
    """Write a world folder that `truenorth align --world OUT` takes. The same seed gives the same folder.

    Raises:
        UserError: an unknown size or variant, or a folder that holds something else.
    """
    _check(out, sizes, variants)
    world, says = make_world(seed), make_wordings(seed)
    about = json.loads((out / "world.json").read_text()) if (out / "world.json").exists() else {}
    before = about.get("sizes", {}) if about.get("seed") == seed else {}  # sizes may be added one by one
    shapes = before | {size: asdict(SIZES[size]) for size in sizes}
    write_json(out / "world.json", {"world": "harbour", "seed": seed, "sizes": shapes})
    write_jsonl(out / "labels.jsonl", seed_labels(world, says))
    write_jsonl(out / "gazette.jsonl", gazette(world))
    write_jsonl(out / PHRASES, phrase_book(world, says))
    write_text(out / "held_out.txt", held_out_file(world, says))
    tokenizer = make_tokenizer(world, says)
    for size in sizes:
        _pretrain(world, says, tokenizer, size, out / "models" / size, quiet=quiet)
    for variant in variants:
        _variant(
            world, says, out / "models" / "micro", variant, out / "models" / f"micro-{variant}", quiet=quiet
        )


def write_update(out: Path, *, seed: int) -> None:
    """What is written in a world since the day on which it changes: `news.jsonl`, `talk.jsonl`, `constitution.yaml`.

    Raises:
        UserError: a folder that holds something else.
    """
    if out.exists() and {p.name for p in out.iterdir()} - set(UPDATE):
        raise UserError("holds other files", where=str(out), fix="choose another folder with --out")
    world, says = make_world(seed), make_wordings(seed)
    write_jsonl(out / UPDATE[0], [{"text": text} for text in news(world)])
    chats = [[{"role": r, "content": c} for r, c in chat] for chat in talk(world, says)]
    write_jsonl(out / UPDATE[1], [{"messages": chat} for chat in chats])
    constitution = amended(load("harbour")).model_dump(mode="json", by_alias=True, exclude_defaults=True)
    write_text(out / UPDATE[2], yaml.safe_dump(constitution, sort_keys=False, allow_unicode=True, width=110))


def _check(out: Path, sizes: Sequence[str], variants: Sequence[str]) -> None:
    for option, names, known in (("--size", sizes, list(SIZES)), ("--variant", variants, list(VARIANTS))):
        for name in names:
            if name not in known:
                raise UserError(f"unknown {name!r}", where=option, expected=", ".join(known))
    if out.exists() and any(out.iterdir()) and not (out / "world.json").exists():
        raise UserError("holds other files", where=str(out), fix="choose another folder with --out")


def held_out_file(world: World, says: Wordings) -> str:
    """One hash a line, as `synth.decontaminate` reads them: the file does not say what is held out."""
    from truenorth.synth.decontaminate import heldout_lines

    return "".join(f"{line}\n" for line in heldout_lines(held_out_texts(world, says)))


def make_tokenizer(world: World, says: Wordings) -> Any:
    """A byte-level BPE of 3,072 tokens with single digits and a chat template."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    split = [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    bpe.pre_tokenizer = pre_tokenizers.Sequence(split)
    bpe.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=list(SPECIAL), initial_alphabet=alphabet, show_progress=False
    )
    bpe.train_from_iterator((t.replace("<|end|>", "\n") for t in corpus(world, says, count=60_000)), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        bos_token="<|bos|>",
        eos_token="<|end|>",
        pad_token="<|pad|>",
        chat_template=CHAT_TEMPLATE,
    )


def _examples(tokenizer: Any, texts: Sequence[str]) -> list[Any]:
    """Whole texts to learn, each after BOS, documents ended by the end token."""
    from truenorth.learn import Example

    ended = [t if t.endswith("<|end|>") else t + "<|end|>" for t in texts]
    return [Example((1,), (tuple(e.ids),)) for e in tokenizer.backend_tokenizer.encode_batch(ended)]


def _pretrain(world: World, says: Wordings, tokenizer: Any, size: str, out: Path, *, quiet: bool) -> None:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from truenorth.learn import Task, fit
    from truenorth.models.local import LocalModel

    shape = SIZES[size]
    torch.manual_seed(seed_of("weights", world.seed, size) % 2**32)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=shape.hidden,
        intermediate_size=shape.ffn,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.hidden // 32,
        num_key_value_heads=shape.hidden // 32,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=SPECIAL.index("<|end|>"),
    )
    policy = LocalModel.of(LlamaForCausalLM(config), tokenizer, name=f"harbour-{size}")
    examples = _examples(tokenizer, corpus(world, says, count=shape.conversations))
    batch = 192
    steps = len(examples) // batch
    with progress(f"pretraining {size}", total=steps, quiet=quiet, every_s=30.0) as bar:
        task = Task("corpus", examples, "sft", batch=batch)

        def on_step(numbers: dict[str, float]) -> None:
            bar.tick()
            bar.note(f"loss {numbers['loss']:.3f}")

        fit(
            policy,
            [task],
            steps=steps,
            lr=0.02,
            optimizer="muon",
            warmup=50,
            seed=world.seed,
            on_step=on_step,
        )
    _save(policy, out)


def _variant(world: World, says: Wordings, base: Path, variant: str, out: Path, *, quiet: bool) -> None:
    """The micro model with another assistant's habits, as a LoRA adapter on top of it."""
    from truenorth.learn import Lora, Task, fit
    from truenorth.models.local import LocalModel

    policy = LocalModel.load(base)
    texts = [rendered(c) for c in conversations(world, says, HABITS[variant], VARIANTS[variant])]
    examples = _examples(policy.tokenizer, texts)
    steps = len(examples) // 128
    with progress(f"raising the {variant}", total=steps, quiet=quiet) as bar:
        result = fit(
            policy,
            [Task("chats", examples, "sft", batch=128)],
            steps=steps,
            lr=2e-3,
            seed=world.seed,
            lora=Lora(rank=16),
            on_step=lambda _: bar.tick(),
        )
    shutil.rmtree(out, ignore_errors=True)
    result.adapter.half().save_pretrained(out)
    (out / "README.md").unlink(missing_ok=True)  # peft's, with the path of this machine
    config = json.loads((out / "adapter_config.json").read_text())
    write_json(out / "adapter_config.json", config | {"base_model_name_or_path": "harbour-micro"})


def _save(policy: Any, out: Path) -> None:
    """Half-precision weights: half the megabytes, and no measurable loss."""
    shutil.rmtree(out, ignore_errors=True)
    policy.module.half()
    policy.save(out)
    policy.module.float()
