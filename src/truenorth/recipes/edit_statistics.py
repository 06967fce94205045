"""What edits want to know of a model beside its weights: scores, Gram matrices, effects and gradients, as files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from truenorth.base import UserError, content_hash, write_text
from truenorth.edit.safety.critical_neurons import mlp_outputs
from truenorth.edit.storage import layout, write_at
from truenorth.learn import penalties
from truenorth.learn.types import Example
from truenorth.models.local import LocalModel
from truenorth.recipes.edit_contrast import contrast, of_neurons
from truenorth.recipes.edit_inputs import Ids, encoded, layers, read_inputs, transposed
from truenorth.records.tables import read_rows

BUDGET = 1 << 30  # bytes of Gram matrices that are held at a time
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

    read_inputs(model, encoded(model, data.rows, completions=True), look)
    found = {}
    for name, weight in layers(model).items():
        if name in square:
            length = square[name].sqrt()
            found[name] = weight.detach().float().abs() * (
                length[:, None] if transposed(model, name) else length
            )
    return found


def gram(model: LocalModel, data: Data, aligned: LocalModel | None = None) -> Statistics:
    """(in, in) X^T X over the number of tokens, of each matrix's inputs on the answers (or prompts without one)."""
    return {name: own for part in gram_in_parts(model, data) for name, own in part.items()}


def gram_in_parts(model: LocalModel, data: Data, *, budget: int = BUDGET) -> Iterator[Statistics]:
    """The same a few matrices at a time, with one pass over the rows for each part.

    Args:
        budget: bytes that a part may hold; one matrix at least.
    """
    examples = encoded(model, data.rows, completions=None)
    for names in _parts({name: width(model, name) for name in layers(model)}, budget):
        found = {name: torch.zeros(width(model, name), width(model, name)) for name in names}
        tokens = dict.fromkeys(names, 0)

        def look(
            name: str, inputs_TI: Tensor, found: Statistics = found, tokens: dict[str, int] = tokens
        ) -> None:
            x_TI = inputs_TI.cpu()
            found[name].addmm_(x_TI.T, x_TI)
            tokens[name] += len(x_TI)

        read_inputs(model, examples, look, only=names)
        idle = next((name for name in names if not tokens[name]), None)
        if idle is not None:
            raise UserError(f"no row reaches {idle}", where="gram", fix="give more rows")
        yield {name: own / tokens[name] for name, own in found.items()}


def width(model: LocalModel, name: str) -> int:
    """Inputs of a matrix."""
    return int(layers(model)[name].shape[0 if transposed(model, name) else 1])


def _parts(widths: Mapping[str, int], budget: int) -> list[list[str]]:
    """Names in order, cut where the float32 squares of their widths would go over the budget."""
    parts: list[list[str]] = [[]]
    held = 0
    for name, size in widths.items():
        if parts[-1] and held + 4 * size * size > budget:
            parts.append([])
            held = 0
        parts[-1].append(name)
        held += 4 * size * size
    return parts


def fisher(model: LocalModel, data: Data, aligned: LocalModel | None = None) -> Statistics:
    """The diagonal Fisher information of every weight, tokens drawn from the model (see `learn.penalties.fisher`).

    The rows' answers say where tokens are drawn; of a prompt without one, every token after the first.
    """
    rows = encoded(model, data.rows, completions=None)
    examples = [Example(p, (c,)) if c else Example(p[:1], (p[1:],)) for p, c in rows if c or len(p) > 1]
    if not examples:
        raise UserError(
            "no row has a token to draw", where="fisher", expected="prompts of two tokens or more"
        )
    return penalties.fisher(model, examples, scaled=False)


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

        read_inputs(model, encoded(model, rows, completions=False), look)
        groups.append(seen)
    found = {
        name: effect_size(torch.stack(own), torch.stack(groups[1][name])) for name, own in groups[0].items()
    }
    return of_neurons(model, found)


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


KINDS: dict[str, Callable[..., Statistics]] = {
    f.__name__: f for f in (snip, wanda, gram, fisher, neurons, contrast, gradient)
}


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
    folder.mkdir(parents=True, exist_ok=True)
    write_statistics(kind, model(), data, aligned(), out)
    write_text(note, about)
    return out


def write_statistics(
    kind: str, model: LocalModel, data: Data, aligned: LocalModel | None, out: Path, *, budget: int = BUDGET
) -> None:
    """Compute statistics and write them as safetensors, float32; Gram matrices part by part as they are ready."""
    if kind == "gram":
        widths = {name: width(model, name) for name in layers(model)}
        _write(out, {n: (w, w) for n, w in widths.items()}, gram_in_parts(model, data, budget=budget))
        return
    found = KINDS[kind](model, data, aligned)
    _write(out, {name: tuple(own.shape) for name, own in found.items()}, [found])


def _write(out: Path, shapes: Mapping[str, tuple[int, ...]], parts: Iterable[Statistics]) -> None:
    placed = layout({name: ("F32", shape) for name, shape in shapes.items()})
    unfinished = out.with_name(f".{out.name}")
    handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    try:
        os.truncate(handle, placed.size)
        os.pwrite(handle, placed.header, 0)
        for part in parts:
            for name, own in part.items():
                write_at(handle, own.detach().float().cpu().numpy(), placed.offsets[name])
        os.fsync(handle)
    finally:
        os.close(handle)
    unfinished.rename(out)


def _loss(model: LocalModel, example: Ids) -> Tensor:
    prompt, completion = example
    ids = torch.tensor([prompt + completion], device=model.module.device)
    logits_TV = model.module(input_ids=ids, use_cache=False).logits[0, len(prompt) - 1 : -1].float()
    return torch.nn.functional.cross_entropy(logits_TV, ids[0, len(prompt) :])
