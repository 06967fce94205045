"""Texts to vectors of length 1: from hashed character n-grams, without a model, or from a model's hidden states.

Any function of this shape will do for `select`: a list of texts to an array with a row each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from truenorth.base import UserError
from truenorth.synth.shingles import Spans, mixed, normalise

Vectors = NDArray[np.float32]  # (N, D)
Embed = Callable[[Sequence[str]], Vectors]

BATCH = 4096  # texts
SIZE = 384


def ngrams(texts: Sequence[str], *, size: int = SIZE, grams: tuple[int, int] = (3, 5)) -> Vectors:
    """(N, size): bytes in runs of 3 to 5, hashed to `size` signed counters, square roots taken, length 1.

    A text's vector depends on nothing but the text; one without words has the vector 0. Signed hashing keeps inner
    products right on average. Source: Weinberger et al., "Feature Hashing for Large Scale Multitask Learning" (2009).

    Args:
        grams: bytes of the shortest and the longest run; they cross word ends, as " the " does.

    Raises:
        UserError: `size` or `grams` below 1, or runs that end before they begin.
    """
    if size < 1 or not 1 <= grams[0] <= grams[1]:
        raise UserError(f"size {size}, grams {grams}", where="ngrams", expected="size and grams of 1 or more")
    rows = [_ngrams(texts[at : at + BATCH], size, grams) for at in range(0, len(texts), BATCH)]
    return np.concatenate([np.empty((0, size), np.float32), *rows])


def _ngrams(texts: Sequence[str], size: int, grams: tuple[int, int]) -> Vectors:
    plain = "".join(f" {normalise(text)} \n" for text in texts)
    data = np.frombuffer(plain.encode(errors="surrogatepass"), np.uint8)
    line_D = np.cumsum(data == 10) - (data == 10)  # a line feed ends its line
    spans, counted = Spans.of(data), np.zeros(len(texts) * size)
    for n in range(grams[0], grams[1] + 1):
        at = np.arange(max(0, len(data) - n))
        at = at[(line_D[at] == line_D[at + n - 1]) & (data[at + n - 1] != 10)]
        hash_G = mixed(spans.hash(at, at + n))
        cell_G = line_D[at] * size + ((hash_G >> np.uint64(1)) % np.uint64(size)).astype(np.int64)
        counted += np.bincount(cell_G, np.where(hash_G & np.uint64(1), 1.0, -1.0), minlength=len(counted))
    x_ND = counted.reshape(len(texts), size)
    return unit(np.sign(x_ND) * np.sqrt(np.abs(x_ND)))


def hidden(model: Any, *, batch: int = 64, most_tokens: int = 512) -> Embed:
    """A function of texts: the mean of a local model's last hidden states over a text's tokens, length 1.

    Args:
        model: a `LocalModel`.
        most_tokens: of a text; the rest is not read.
    """

    def embed(texts: Sequence[str]) -> Vectors:
        rows: list[Vectors] = []
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))  # about equal lengths together
        for at in range(0, len(texts), batch):
            rows.append(_hidden(model, [texts[i] for i in order[at : at + batch]], most_tokens))
        back = np.empty(len(texts), np.int64)
        back[order] = np.arange(len(texts))
        return np.concatenate(rows)[back] if rows else np.empty((0, 0), np.float32)

    return embed


def _hidden(model: Any, texts: Sequence[str], most_tokens: int) -> Vectors:
    import torch

    ids = [ids[:most_tokens] or [model.pad_id] for ids in model.codec.prompt_ids(texts)]
    width = max(map(len, ids))
    ids_BT = torch.full((len(ids), width), model.pad_id)
    mask_BT = torch.zeros((len(ids), width), dtype=torch.long)
    for row, of_row in enumerate(ids):
        ids_BT[row, : len(of_row)] = torch.tensor(of_row)
        mask_BT[row, : len(of_row)] = 1
    device = model.module.device
    with torch.inference_mode():
        out = model.module(
            input_ids=ids_BT.to(device), attention_mask=mask_BT.to(device), output_hidden_states=True
        )
        weight_BT1 = mask_BT.to(device)[..., None]
        mean_BD = (out.hidden_states[-1].float() * weight_BT1).sum(1) / weight_BT1.sum(1)
    return unit(mean_BD.cpu().numpy())


def unit(x_ND: NDArray[Any]) -> Vectors:
    """Rows scaled to length 1; rows of zeros stay."""
    length_N1 = np.linalg.norm(x_ND, axis=1, keepdims=True)
    return (x_ND / np.where(length_N1 > 0, length_N1, 1.0)).astype(np.float32)
