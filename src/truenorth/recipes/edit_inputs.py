"""What a model's matrices read: rows as token ids, the matrices by name, and their inputs as they pass."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from truenorth.base import UserError
from truenorth.edit.safety._edit import matrices
from truenorth.models.local import LocalModel
from truenorth.records import Prompt, as_messages

Ids = tuple[list[int], list[int]]  # a prompt and its completion


def encoded(model: LocalModel, rows: Sequence[Mapping[str, Any]], *, completions: bool | None) -> list[Ids]:
    """Rows as token ids: prompt and completion (`completion`, or `chosen`), or prompts alone.

    Args:
        completions: wanted, not wanted, or (None) taken where a row has one.

    Raises:
        UserError: a row without a prompt, or without an answer that is wanted.
    """
    found: list[Ids] = []
    for number, row in enumerate(rows, start=1):
        answer = None if completions is False else row.get("completion", row.get("chosen"))
        if "prompt" not in row or (completions and not answer):
            what = "no prompt" if "prompt" not in row else "no completion"
            raise UserError(what, where=f"row {number}", expected="columns prompt and completion")
        prompt: Prompt = as_messages(row["prompt"]) if model.codec.turn else row["prompt"]
        if not answer:
            found.append((list(model.encode_prompt(prompt)), []))
            continue
        text = answer if isinstance(answer, str) else answer[-1]["content"]
        ids, ends = model.encode_pair(prompt, text)
        found.append((list(ids), list(ends)))
    return found


def layers(model: LocalModel) -> dict[str, Tensor]:
    """The matrices of the layers, by name."""
    found = {name: p for name, p in model.module.named_parameters() if matrices(name, p.shape)}
    if not found:
        raise UserError("no matrices in numbered layers", where=model.name)
    return found


def transposed(model: LocalModel, name: str) -> bool:
    """GPT-2 keeps its matrices as (in, out)."""
    return type(model.module.get_submodule(name.removesuffix(".weight"))).__name__ == "Conv1D"


def read_inputs(
    model: LocalModel,
    examples: Sequence[Ids],
    look: Callable[[str, Tensor], None],
    *,
    only: Collection[str] | None = None,
) -> None:
    """Call `look(weight's name, (T, in) inputs)` for each matrix and example: of the answer, or all of the prompt.

    Args:
        only: of these matrices.
    """
    start = 0
    with torch.no_grad(), _hooked(model, lambda name, x: look(name, x[0, start:].float()), only):
        for prompt, completion in examples:
            start = len(prompt) - 1 if completion else 0
            ids = torch.tensor([prompt + completion[:-1]], device=model.module.device)
            model.module(input_ids=ids, use_cache=False)


@contextmanager
def _hooked(
    model: LocalModel, look: Callable[[str, Tensor], None], only: Collection[str] | None
) -> Iterator[None]:
    handles = []
    for name in layers(model) if only is None else only:
        module = model.module.get_submodule(name.removesuffix(".weight"))
        handles.append(module.register_forward_pre_hook(lambda _, args, name=name: look(name, args[0])))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
