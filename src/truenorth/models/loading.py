"""A transformers folder or hub id to a module and a tokenizer, with one clear message when that cannot be.

safetensors only; code that comes with a model runs only where the caller allows it.
"""

from __future__ import annotations

import copy
import json
import warnings
from pathlib import Path
from typing import Any, NamedTuple

from truenorth.base import UserError

SAVED = "a folder with config.json, *.safetensors and a tokenizer, as save_pretrained writes it"


class Loaded(NamedTuple):
    module: Any  # a transformers causal language model in eval mode
    tokenizer: Any
    name: str  # folder name or hub id, with the revision where one was asked for


def load(
    path: str | Path,
    *,
    revision: str | None = None,
    adapter: str | Path | None = None,
    dtype: Any = None,
    device: Any = None,
    trust_remote_code: bool = False,
) -> Loaded:
    """Load a causal language model and its tokenizer.

    Args:
        dtype: default float32 on a CPU, bfloat16 on CUDA.
        device: default CUDA where there is one.
        adapter: a peft folder put on top.

    Raises:
        UserError: missing, incomplete, truncated, not safetensors, not a language model.
    """
    import torch

    device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    dtype = dtype or (torch.bfloat16 if device.type == "cuda" else torch.float32)
    local = is_local(path)
    if local:
        check_folder(Path(path))
    source = str(path)
    options = {"revision": revision, "trust_remote_code": trust_remote_code}
    tokenizer = _tokenizer(source, options)
    module = _module(source, {**options, "dtype": dtype})
    if adapter is not None:
        module = _with_adapter(module, Path(adapter))
    name = Path(path).resolve().name if local else source
    if adapter is not None:
        name += f"+{Path(adapter).resolve().name}"
    return Loaded(module.to(device).eval(), tokenizer, f"{name}@{revision}" if revision else name)


def is_local(path: str | Path) -> bool:
    """A folder on this machine rather than a hub id ("name" or "owner/name")?"""
    text = str(path)
    return (
        isinstance(path, Path)
        or Path(text).exists()
        or text.startswith((".", "/", "~"))
        or text.count("/") > 1
    )


def check_folder(folder: Path) -> None:
    """Look before loading: there, with a configuration, with whole safetensors files.

    Raises:
        UserError: with the file that is wrong.
    """
    from safetensors import SafetensorError, safe_open

    if not folder.is_dir():
        what = "not a folder" if folder.exists() else "no such model folder"
        raise UserError(what, where=str(folder), expected=SAVED)
    _read_json(folder / "config.json")
    files = sorted(folder.glob("*.safetensors"))
    index = folder / "model.safetensors.index.json"
    if index.exists():
        files = [folder / name for name in sorted(set(_read_json(index)["weight_map"].values()))]
    if not files:
        old = next(iter([*folder.glob("*.bin"), *folder.glob("*.pt")]), None)
        what = f"only {old.name}, which can run code when loaded" if old else "no weights"
        raise UserError(
            what, where=str(folder), expected=SAVED, fix="save the model as safetensors" if old else ""
        )
    for file in files:
        try:
            with safe_open(file, framework="np"):
                pass
        except (SafetensorError, OSError) as error:
            raise UserError(
                f"truncated or damaged weights ({error})", where=str(file), fix="fetch it again"
            ) from error


def _read_json(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"no {file.name} in it", where=str(file.parent), expected=SAVED) from error
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read ({error})", where=str(file), expected=SAVED) from error


def _tokenizer(source: str, options: dict[str, Any]) -> Any:
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(source, **options)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise unloadable(source, error, "its tokenizer") from error


def _module(source: str, options: dict[str, Any]) -> Any:
    from safetensors import SafetensorError
    from transformers import AutoConfig, AutoModelForCausalLM

    from truenorth.models.hushed import hushed

    try:
        # A configuration object is changed by loading, so each model gets its own.
        hub = {key: options[key] for key in ("revision", "trust_remote_code")}
        with hushed():
            config = copy.deepcopy(AutoConfig.from_pretrained(source, **hub))
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                source, config=config, use_safetensors=True, output_loading_info=True, **options
            )
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise unloadable(source, error) from error
    module, info = loaded
    missing = sorted(info["missing_keys"])
    if missing:
        some = ", ".join(missing[:3])
        raise UserError(
            f"{len(missing)} tensors are missing ({some})", where=source, fix="fetch the model again"
        )
    return module


def _with_adapter(module: Any, adapter: Path) -> Any:
    from peft import PeftModel
    from safetensors import SafetensorError

    if (
        not (adapter / "adapter_config.json").is_file()
        or not (adapter / "adapter_model.safetensors").is_file()
    ):
        expected = "a peft folder with adapter_config.json and adapter_model.safetensors"
        raise UserError("not an adapter", where=str(adapter), expected=expected)
    try:
        with warnings.catch_warnings():
            # peft 0.21 asks transformers 5.23 for an attribute by its old name.
            warnings.filterwarnings("ignore", ".*is_gradient_checkpointing", FutureWarning)
            return PeftModel.from_pretrained(module, str(adapter))
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise UserError(
            f"the adapter does not fit this model ({_brief(error)})", where=str(adapter)
        ) from error


def _brief(error: Exception) -> str:
    """The first line of a library's message, without its advice."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]


def unloadable(source: str, error: Exception, what: str = "this model") -> UserError:
    """The one message for a model that cannot be had."""
    if is_local(source):
        return UserError(f"cannot load {what} ({_brief(error)})", where=source, expected=SAVED)
    said = f"no such folder, and not loaded from the hub ({_brief(error)})"
    return UserError(said, where=source, expected=SAVED, fix="check the path, the id and the network")
