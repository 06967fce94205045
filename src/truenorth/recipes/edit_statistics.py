"""What edits want to know of a model beside its weights: scores, Gram matrices, effects and gradients, as files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from truenorth.base import UserError, content_hash, write_bytes, write_text
from truenorth.edit.safety._edit import matrices
from truenorth.edit.safety.critical_neurons import mlp_outputs
from truenorth.models.local import LocalModel
from truenorth.records import Prompt, as_messages
from truenorth.records.tables import read_rows

Ids = tuple[list[int], list[int]]  # a prompt and its completion
Statistics = dict[str, Tensor]  # by the name of the weight


class Data(NamedTuple):
    """What statistics are computed from; `other` is what `rows` are held against, where a kind wants that."""

    rows: Sequence[Mapping[str, Any]]
    other: Sequence[Mapping[str, Any]] = ()


def snip(model: LocalModel, data: Data, aligned: LocalModel | None = None) -> Statistics:
    """|w dL/dw|, its mean over examples; L is the mean negative log-likelihood of an answer's tokens.

    Source: Lee et al. 2019 (arXiv:1810.02340), as Wei et al. 2024 (arXiv:2402.05162), eq. 1, average it.
    """
    wanted = layers(model)
    total = {name: torch.zeros_like(p, dtype=torch.float32) for name, p in wanted.items()}
    examples = encoded(model, data.rows, completions=True)
    for example in examples:
        slopes = torch.autograd.grad(_loss(model, example), list(wanted.values()))
        for (name, weight), slope in zip(wanted.items(), slopes, strict=True):
            total[name] += (weight.detach() * slope).abs().float() / len(examples)
    return total


def wanda(model: LocalModel, data: Data, aligned: LocalModel | None = None) -> Statistics:
    """|w| times the length of its input over all tokens of the answers.

    Source: Sun et al. 2024 (arXiv:2306.11695), eq. 1.
    """
    square: dict[str, Tensor] = {}

    def look(name: str, inputs_TI: Tensor) -> None:
        square[name] = square.get(name, 0) + (inputs_TI**2).sum(0)

    _inputs(model, encoded(model, data.rows, completions=True), look)
    found = {}
    for name, weight in layers(model).items():
        if name in square:
            length = square[name].sqrt()
            found[name] = weight.detach().float().abs() * (
                length[:, None] if _transposed(model, name) else length
            )
    return found


def gram(model: LocalModel, data: Data, aligned: LocalModel | None = None) -> Statistics:
    """X^T X over the number of tokens, of each matrix's inputs on the answers."""
    found: dict[str, Tensor] = {}
    tokens: dict[str, int] = {}

    def look(name: str, inputs_TI: Tensor) -> None:
        found[name] = found.get(name, 0) + inputs_TI.T @ inputs_TI
        tokens[name] = tokens.get(name, 0) + len(inputs_TI)

    _inputs(model, encoded(model, data.rows, completions=True), look)
    return {name: own / tokens[name] for name, own in found.items() if not _transposed(model, name)}


def neurons(model: LocalModel, data: Data, aligned: LocalModel | None = None) -> Statistics:
    """|Cohen's d| of each neuron's mean activation between prompts and other prompts; 0 where it never moves.

    Matched prompts (the same topics, another intent) are what makes this about intent and not about topics.
    """
    if not data.other:
        raise UserError("neurons need prompts to compare with", where="--with", fix="neurons:FILE,OTHER_FILE")
    groups: list[dict[str, list[Tensor]]] = []
    for rows in (data.rows, data.other):
        seen: dict[str, list[Tensor]] = {}

        def look(name: str, inputs_TI: Tensor, seen: dict[str, list[Tensor]] = seen) -> None:
            if mlp_outputs(name, (1, 1)):
                seen.setdefault(name, []).append(inputs_TI.mean(0))

        _inputs(model, encoded(model, rows, completions=False), look)
        groups.append(seen)
    return {
        name: effect_size(torch.stack(own), torch.stack(groups[1][name])) for name, own in groups[0].items()
    }


def effect_size(first_AN: Tensor, second_BN: Tensor) -> Tensor:
    """(N,) |difference of means| over the pooled standard deviation; 0 where that is 0."""
    a, b = len(first_AN), len(second_BN)
    if min(a, b) < 2:
        raise UserError(f"{a} and {b} prompts", where="neurons", expected="two at least on each side")
    pooled = ((a - 1) * first_AN.var(0) + (b - 1) * second_BN.var(0)) / (a + b - 2)
    gap = (first_AN.mean(0) - second_BN.mean(0)).abs()
    return torch.where(pooled > 0, gap / pooled.clamp_min(1e-30).sqrt(), 0)


def gradient(model: LocalModel, data: Data, aligned: LocalModel | None = None) -> Statistics:
    """The slope of -cos(h, h'), h the mean hidden state of the prompts' last token, h' the aligned model's.

    Taken at two thirds of the depth, summed over batches of 8 prompts. Wu et al. 2025 (arXiv:2504.09757).
    """
    if aligned is None:
        raise UserError("a gradient towards the aligned model needs it", where="--with", fix="add --aligned")
    prompts = [ids for ids, _ in encoded(model, data.rows, completions=False)]
    return slope_towards(model, prompts, direction(aligned, prompts))


def direction(model: LocalModel, prompts: Sequence[list[int]], *, layer: int | None = None) -> Tensor:
    """(D,) the mean hidden state of the prompts' last token."""
    with torch.no_grad():
        return torch.stack([_state(model, ids, layer) for ids in prompts]).mean(0)


def slope_towards(
    model: LocalModel,
    prompts: Sequence[list[int]],
    wanted_D: Tensor,
    *,
    layer: int | None = None,
    batch: int = 8,
) -> Statistics:
    """The gradient of -cos(mean hidden state of a batch, `wanted_D`), summed over batches; 0 above the layer."""
    weights = layers(model)
    total = {name: torch.zeros_like(p, dtype=torch.float32) for name, p in weights.items()}
    for i in range(0, len(prompts), batch):
        mean_D = torch.stack([_state(model, ids, layer) for ids in prompts[i : i + batch]]).mean(0)
        loss = -torch.nn.functional.cosine_similarity(mean_D, wanted_D, dim=0)
        for name, slope in zip(weights, torch.autograd.grad(loss, list(weights.values()), allow_unused=True)):
            if slope is not None:
                total[name] += slope.float()
    return total


def _state(model: LocalModel, ids: list[int], layer: int | None) -> Tensor:
    depth = model.module.config.get_text_config().num_hidden_layers
    at = max(1, depth * 4 // 6) if layer is None else layer
    batch = torch.tensor([ids], device=model.module.device)
    return (
        model.module(input_ids=batch, output_hidden_states=True, use_cache=False)
        .hidden_states[at][0, -1]
        .float()
    )


KINDS: dict[str, Callable[..., Statistics]] = {f.__name__: f for f in (snip, wanda, gram, neurons, gradient)}


def statistics_file(
    spec: str,
    folder: Path,
    model: Callable[[], LocalModel],
    aligned: Callable[[], LocalModel | None],
    *,
    name: str,
    identity: Any = None,
) -> Path:
    """The file that a `--with NAME=SPEC` names: itself, or one computed as KIND:FILE[,FILE] and kept in `folder`.

    Args:
        identity: what names the models; with the same, and the same rows, what is kept is not computed again.

    Raises:
        UserError: an unknown kind, or rows that cannot be used.
    """
    kind, colon, files = spec.partition(":")
    if not colon or Path(spec).exists():
        return Path(spec)
    if kind not in KINDS:
        expected = f"FILE.safetensors, or {', '.join(KINDS)} with :FILE"
        raise UserError(f"unknown kind of statistics {kind!r}", where="--with", expected=expected)
    data = Data(*(read_rows(file) for file in files.split(",", 1)))
    about, out = content_hash([kind, *data, identity]), folder / f"{name}.safetensors"
    note = folder / f"{name}.txt"
    if out.exists() and note.exists() and note.read_text() == about:
        return out
    from safetensors.torch import save

    found = KINDS[kind](model(), data, aligned())
    folder.mkdir(parents=True, exist_ok=True)
    write_bytes(out, save({key: own.detach().cpu().contiguous() for key, own in found.items()}))
    write_text(note, about)
    return out


def encoded(model: LocalModel, rows: Sequence[Mapping[str, Any]], *, completions: bool) -> list[Ids]:
    """Rows as token ids: prompt and completion (`completion`, or `chosen`), or prompts alone.

    Raises:
        UserError: a row without a prompt or an answer.
    """
    found = []
    for number, row in enumerate(rows, start=1):
        answer = row.get("completion", row.get("chosen"))
        if "prompt" not in row or (completions and not answer):
            what = "no prompt" if "prompt" not in row else "no completion"
            raise UserError(what, where=f"row {number}", expected="columns prompt and completion")
        prompt: Prompt = as_messages(row["prompt"]) if model.codec.turn else row["prompt"]
        if completions:
            text = answer if isinstance(answer, str) else answer[-1]["content"]
            ids, ends = model.encode_pair(prompt, text)
            found.append((list(ids), list(ends)))
        else:
            found.append((list(model.encode_prompt(prompt)), []))
    return found


def _loss(model: LocalModel, example: Ids) -> Tensor:
    prompt, completion = example
    ids = torch.tensor([prompt + completion], device=model.module.device)
    logits_TV = model.module(input_ids=ids, use_cache=False).logits[0, len(prompt) - 1 : -1].float()
    return torch.nn.functional.cross_entropy(logits_TV, ids[0, len(prompt) :])


def layers(model: LocalModel) -> dict[str, Tensor]:
    """The matrices of the layers, by name."""
    found = {name: p for name, p in model.module.named_parameters() if matrices(name, p.shape)}
    if not found:
        raise UserError("no matrices in numbered layers", where=model.name)
    return found


def _transposed(model: LocalModel, name: str) -> bool:
    """GPT-2 keeps its matrices as (in, out)."""
    return type(model.module.get_submodule(name.removesuffix(".weight"))).__name__ == "Conv1D"


def _inputs(model: LocalModel, examples: Sequence[Ids], look: Callable[[str, Tensor], None]) -> None:
    """Call `look(weight's name, (T, in) inputs)` for each matrix and example: of the answer, or all of the prompt."""
    start = 0
    with torch.no_grad(), _hooked(model, lambda name, x: look(name, x[0, start:].float())):
        for prompt, completion in examples:
            start = len(prompt) - 1 if completion else 0
            ids = torch.tensor([prompt + completion[:-1]], device=model.module.device)
            model.module(input_ids=ids, use_cache=False)


@contextmanager
def _hooked(model: LocalModel, look: Callable[[str, Tensor], None]) -> Iterator[None]:
    handles = []
    for name in layers(model):
        module = model.module.get_submodule(name.removesuffix(".weight"))
        handles.append(module.register_forward_pre_hook(lambda _, args, name=name: look(name, args[0])))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
