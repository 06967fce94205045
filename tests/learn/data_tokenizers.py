"""Real small tokenizers with the habits of the families people train: with and without BOS, EOS, templates."""

from __future__ import annotations

from typing import Any

from truenorth.models.encoding import Codec

SENTENCES = [
    "The harbour opens at nine and the ferry leaves at noon.",
    "Anna sells fish in the market; her brother repairs nets and boats.",
    "What is the capital of the island? I do not know, and I will not guess.",
    "user assistant system: Yes, no, never. 0 1 2 3 4 5 6 7 8 9 [INST] [/INST]",
]
TURNS = "{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}"
ASK = "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
CHATML = "{% for m in messages %}" + TURNS + "{% endfor %}" + ASK
INST = (  # Mistral: the opening of a turn is the end of the prompt, a space stands before the answer
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' %}{{ '[INST] ' + m['content'] + ' [/INST]' }}"
    "{% elif m['role'] == 'assistant' %}{{ ' ' + m['content'] | trim + eos_token }}"
    "{% else %}{{ raise_exception('Only user and assistant roles are supported!') }}{% endif %}{% endfor %}"
)
MARKED = (
    "{% for m in messages %}{% if m['role'] == 'assistant' %}{{ '<|im_start|>assistant\n' }}"
    "{% generation %}{{ m['content'] + '<|im_end|>' }}{% endgeneration %}{{ '\n' }}"
    "{% else %}" + TURNS + "{% endif %}{% endfor %}" + ASK
)
THINKS = (  # Qwen 3: every answer but the last loses its thoughts, and the last one always has a place for them
    "{% for m in messages %}{% if m['role'] == 'assistant' %}"
    "{% set said = m['content'].split('</think>')[-1].lstrip('\n') %}{{ '<|im_start|>assistant\n' }}"
    "{% if loop.last %}{{ '<think>\n\n</think>\n\n' }}{% endif %}{{ said + '<|im_end|>\n' }}"
    "{% else %}" + TURNS + "{% endif %}{% endfor %}" + ASK
)
DROPS_SYSTEM = CHATML.replace("for m in messages", "for m in messages if m['role'] != 'system'")
SPECIAL = ["<s>", "</s>", "<pad>", "<|im_start|>", "<|im_end|>"]


def bpe(template: str | None = None, *, bos: bool = False, eos: bool = True) -> Any:
    """Byte-level BPE: GPT-2's habits without template and BOS, Llama 3's with both."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=SPECIAL, show_progress=False, initial_alphabet=alphabet
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    return _fast(tokenizer, template, bos=bos, eos=eos)


def unigram(template: str | None = None, *, bos: bool = True) -> Any:
    """SentencePiece's habits: the space before a word is part of its token, and one is put before a text."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=200, special_tokens=["<unk>", *SPECIAL], unk_token="<unk>", show_progress=False
    )
    tokenizer.train_from_iterator(SENTENCES * 5, trainer)
    return _fast(tokenizer, template, bos=bos, eos=True)


def _fast(tokenizer: Any, template: str | None, *, bos: bool, eos: bool) -> Any:
    from tokenizers import processors
    from transformers import PreTrainedTokenizerFast

    if bos:
        ids = [("<s>", tokenizer.token_to_id("<s>"))]
        tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=ids)
    names = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}
    if not bos and "bos_token" not in (template or ""):
        del names["bos_token"]
    if not eos:
        del names["eos_token"]
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, additional_special_tokens=SPECIAL[3:], **names)
    fast.chat_template = template
    return fast


def codec(tokenizer: Any) -> Codec:
    return Codec.of(tokenizer)


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def assistant(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


def system(text: str) -> dict[str, str]:
    return {"role": "system", "content": text}
