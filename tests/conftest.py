"""What every test may ask for: public data beside the checkout, and tiny real models made on the spot."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ.setdefault("OMP_NUM_THREADS", "1")

SENTENCES = [
    "The harbour opens at nine and the ferry leaves at noon.",
    "Anna sells fish in the market; her brother repairs nets and boats.",
    "What is the capital of the island? I do not know, and I will not guess.",
    "Please tell me, politely, how many sails a sloop has. It has one mast and two sails.",
    "user assistant system: Yes, no, never, always. 0 1 2 3 4 5 6 7 8 9, seven plus five is twelve.",
    "Über den Hafen weht ein kühler Wind, naïve café, 漁港 and a lighthouse.",
]

CHATML = (
    "{% for m in messages %}"
    "{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
TEMPLATES: dict[str, str | None] = {
    "none": None,
    "chatml": CHATML,
    "bos_chatml": "{{ bos_token }}" + CHATML,
    "drops_system": CHATML.replace(
        "{% for m in messages %}", "{% for m in messages if m['role'] != 'system' %}"
    ),
    "raises_on_system": "{% if messages[0]['role'] == 'system' %}"
    "{{ raise_exception('System role not supported') }}{% endif %}" + CHATML,
}


def pytest_configure(config: pytest.Config) -> None:
    """Refuse to test the code of another checkout, which an editable install may name: what fails there says nothing.

    An installed wheel is tested as it is.
    """
    ours = Path(__file__).resolve().parents[1] / "src"
    spec = importlib.util.find_spec("truenorth")
    found = Path(spec.origin).resolve().parents[1] if spec and spec.origin else ours
    if found != ours and (found.parent / "pyproject.toml").is_file():
        pytest.exit(f"truenorth would be that of {found}, not of {ours}: set PYTHONPATH", returncode=4)


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """One torch thread: on a shared machine two threads wait for each other."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of public data beside the checkout, or a skip that says what is missing."""
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not (folder / "data").is_dir():
        pytest.skip(f"needs the public data folder at {folder}")
    return folder


def tiny_tokenizer(*, template: str = "chatml", bos: bool = False, vocab: int = 400) -> Any:
    """A real byte-level BPE tokenizer, trained on a few sentences; with `bos`, it puts <s> before a text."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    special = ["<s>", "</s>", "<pad>", "<|im_start|>", "<|im_end|>"]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab,
        special_tokens=special,
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    if bos:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 0)]
        )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        additional_special_tokens=special[3:],
    )
    fast.chat_template = TEMPLATES[template]
    return fast


def tiny_config(architecture: str, *, vocab: int, hidden: int, layers: int, context: int, **more: Any) -> Any:
    """A small configuration of a transformers architecture ("llama", "gpt2", "qwen3", ...)."""
    from transformers import AutoConfig

    if architecture == "gpt2":
        sizes = {"n_embd": hidden, "n_layer": layers, "n_head": 4, "n_positions": context}
    else:
        sizes = {
            "hidden_size": hidden,
            "intermediate_size": 2 * hidden,
            "num_hidden_layers": layers,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "head_dim": hidden // 4,
            "max_position_embeddings": context,
        }
    ids = {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2}
    return AutoConfig.for_model(architecture, vocab_size=vocab, **ids, **sizes, **more)


TinyLlama = Callable[..., Path]


@pytest.fixture(scope="session")
def tiny_llama(tmp_path_factory: pytest.TempPathFactory) -> TinyLlama:
    """A factory of tiny transformers folders, each written once a session.

    tiny_llama(architecture="llama", template="chatml", bos=False, seed=0, vocab=400, hidden=32, layers=2,
    context=256, tie_word_embeddings=True, initializer_range=0.2, **config) -> Path. Templates: none, chatml,
    bos_chatml, drops_system, raises_on_system. GPT-2 habits: architecture="gpt2", template="none"; Llama
    habits: bos=True.
    """
    made: dict[str, Path] = {}

    def make(
        *,
        architecture: str = "llama",
        template: str = "chatml",
        bos: bool = False,
        seed: int = 0,
        vocab: int = 400,
        hidden: int = 32,
        layers: int = 2,
        context: int = 256,
        **config: Any,
    ) -> Path:
        key = repr(
            (architecture, template, bos, seed, vocab, hidden, layers, context, sorted(config.items()))
        )
        if key in made:
            return made[key]
        import torch
        from transformers import AutoModelForCausalLM

        tokenizer = tiny_tokenizer(template=template, bos=bos, vocab=vocab)
        more = {"tie_word_embeddings": True, "initializer_range": 0.2, **config}
        sizes = {"vocab": len(tokenizer), "hidden": hidden, "layers": layers, "context": context}
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            model = AutoModelForCausalLM.from_config(tiny_config(architecture, **sizes, **more))
        folder = tmp_path_factory.mktemp("tiny")
        from transformers.utils import logging

        logging.disable_progress_bar()  # its bars would stand in what tests read from standard error
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        made[key] = folder
        return folder

    return make
