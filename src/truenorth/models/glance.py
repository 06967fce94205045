"""What can be known of a model before its weights are read: size, context, how it takes prompts."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path

from truenorth.models.encoding import Codec
from truenorth.models.limits import cache_bytes, context_of
from truenorth.models.loading import check_folder, is_local, unloadable


@dataclass(frozen=True)
class Glance:
    """A model from its configuration and tokenizer.

    Args:
        parameters: in all, a tied head counted once.
        cache_bytes: of keys and values, float32, for one token.
        context: most tokens of prompt and completion together; None: no limit known.
        keeps_system: has the chat template a place for a system turn? None without a template.
        matrices: the modules that have one, by their dotted names, such as model.layers.0.self_attn.q_proj.
    """

    name: str
    codec: Codec
    parameters: int
    layers: int
    cache_bytes: int
    context: int | None
    keeps_system: bool | None
    matrices: tuple[str, ...] = ()

    @property
    def chats(self) -> bool:
        """Does it take messages, through a chat template?"""
        return self.codec.turn is not None


def glance(path: str | Path) -> Glance:
    """Look at a folder or hub id without reading weights (a folder's files are checked to be whole).

    Raises:
        UserError: missing, incomplete, truncated, or not a causal language model.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    if is_local(path):
        check_folder(Path(path))
    source = str(path)
    try:
        config = AutoConfig.from_pretrained(source)
        tokenizer = AutoTokenizer.from_pretrained(source)
        with torch.device("meta"):
            module = AutoModelForCausalLM.from_config(copy.deepcopy(config))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise unloadable(source, error) from error
    tokenizer.clean_up_tokenization_spaces = False
    codec = Codec.of(tokenizer)
    text = config.get_text_config(decoder=True)
    return Glance(
        Path(path).resolve().name if is_local(path) else source,
        codec,
        sum(p.numel() for p in module.parameters()),
        getattr(text, "num_hidden_layers", 1),
        cache_bytes(text, itemsize=4),
        context_of(text),
        _keeps_system(codec),
        tuple(n for n, m in module.named_modules() if any(p.ndim > 1 for p in m.parameters(recurse=False))),
    )


def _keeps_system(codec: Codec) -> bool | None:
    """Does a system turn's text come out of the template? Some drop it, some refuse it."""
    from jinja2.exceptions import TemplateError

    if codec.turn is None:
        return None
    word = "truenorth looks for this"
    turns = [{"role": "system", "content": word}, {"role": "user", "content": "Hello"}]
    try:
        return word in codec.tokenizer.apply_chat_template(turns, tokenize=False)
    except TemplateError:
        return False
