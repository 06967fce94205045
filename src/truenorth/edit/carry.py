"""What travels with the weights: configuration, generation configuration, tokenizer and chat template."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

from truenorth.base import write_json, write_text
from truenorth.edit.arrays import TORCH_NAME
from truenorth.edit.folders import SMALL
from truenorth.edit.models import Model
from truenorth.edit.plan import Plan

# of a training run, or about weights that are not these
LEFT = {"trainer_state.json", "adapter_config.json", "all_results.json", "train_results.json", "eval_results.json",
        "truenorth_merge.json", "plan.json", "config.json", "requirements.txt"}  # fmt: skip
TOKENIZER = ("tokenizer", "special_tokens_map", "added_tokens", "vocab", "merges", "chat_template", "spiece",
             "sentencepiece")  # fmt: skip
DEPTHS = ("num_hidden_layers", "n_layer", "num_layers", "n_layers")  # by the age of the architecture
CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' "
    "+ '\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def carry(plan: Plan, out: Path) -> None:
    """Copy the donor's small files, the tokenizer of the chosen model, and write the result's configuration."""
    source = plan.vocabulary.source if plan.vocabulary else plan.donor
    for file in _small(plan.donor.folder):
        if not file.name.startswith(TOKENIZER):
            shutil.copyfile(file, out / file.name)
    for file in _small(source.folder):
        if file.name.startswith(TOKENIZER):
            shutil.copyfile(file, out / file.name)
    if plan.vocabulary and plan.vocabulary.added:
        _add_tokens(out / "tokenizer.json", plan.vocabulary.tokens, plan.vocabulary.added)
    write_json(out / "config.json", configuration(plan))
    template = chat_template(plan)
    if template:
        _set_template(out, template)


def _small(folder: Path) -> list[Path]:
    files = {file for pattern in SMALL for file in folder.glob(pattern) if file.is_file()}
    return sorted(f for f in files if f.name not in LEFT and not f.name.endswith(".index.json"))


def configuration(plan: Plan) -> dict[str, Any]:
    """The donor's config.json with the result's type, number of layers, vocabulary and tying."""
    config = json.loads(json.dumps(dict(plan.donor.config)))
    kinds = Counter(step.dtype for step in plan.steps if step.dtype in TORCH_NAME)
    if kinds:
        key = "torch_dtype" if "torch_dtype" in config else "dtype"
        config[key] = TORCH_NAME[kinds.most_common(1)[0][0]]
    text = config.get("text_config") if isinstance(config.get("text_config"), dict) else config
    if plan.layers is not None:
        for key in DEPTHS:
            if key in text:
                text[key] = plan.layers
        if isinstance(text.get("layer_types"), list):
            text["layer_types"] = _layer_types(text["layer_types"], plan)
    if plan.vocabulary:
        text["vocab_size"] = max(plan.vocabulary.tokens.values()) + 1
    if plan.untied:
        config["tie_word_embeddings"] = False
    return config


def _layer_types(kinds: list[Any], plan: Plan) -> list[Any]:
    """The kind of each layer (sliding, full) goes where its layer went."""
    lead = [part.inputs[0].layers or (0, 0) for part in plan.config.slices]
    return [kinds[i] for first, end in lead for i in range(first, min(end, len(kinds)))]


def chat_template(plan: Plan) -> str | None:
    """What `chat_template` asks for: chatml, the one most models have (auto), or itself."""
    asked = plan.config.chat_template
    if asked == "chatml":
        return CHATML
    if asked != "auto":
        return asked
    found = Counter(template.strip() for model in plan.models if (template := _template_of(model)))
    return found.most_common(1)[0][0] if found else None


def _template_of(model: Model) -> str | None:
    file = model.folder / "chat_template.jinja"
    if file.is_file():
        return file.read_text(encoding="utf-8")
    settings = model.folder / "tokenizer_config.json"
    value = (
        json.loads(settings.read_text(encoding="utf-8")).get("chat_template") if settings.is_file() else None
    )
    return value if isinstance(value, str) else None


def _set_template(out: Path, template: str) -> None:
    write_text(out / "chat_template.jinja", template)
    settings = out / "tokenizer_config.json"
    if settings.is_file():
        data = json.loads(settings.read_text(encoding="utf-8"))
        data.pop("chat_template", None)
        write_json(settings, data)


def _add_tokens(file: Path, tokens: Any, added: tuple[str, ...]) -> None:
    """Put tokens that the tokenizer lacks among its added tokens, with the ids their rows have."""
    data = json.loads(file.read_text(encoding="utf-8"))
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": False}
    data.setdefault("added_tokens", []).extend(
        {"id": tokens[token], "content": token, **plain} for token in added
    )
    write_json(file, data)
