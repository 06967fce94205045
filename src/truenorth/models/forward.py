"""Hidden states for the head, in one of three ways: packed, padded, or the model's own logits. See `opening.py`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from truenorth.models.fused import Fused, fused
from truenorth.models.head import Head, head_of
from truenorth.models.last_layer import last_layer, only_at
from truenorth.models.packed import Branching, Layout, lay_out, packed_attention

Path = Literal["packed", "padded", "logits"]


@dataclass(frozen=True)
class Forward:
    """One model, and how its rows (what the head reads, one per completion token) are computed."""

    module: Any  # the transformers causal LM, adapters inside
    path: Path
    compute: torch.dtype = torch.float32  # of matrix products; sums, softmax and weights stay as they are
    trims: bool = False  # may the last layer be computed only where it is read? see last_layer.py
    parts: tuple[Fused, ...] = ()  # what stands in for parts of the model; see fused.py

    @property
    def head(self) -> Head:
        return Head(None) if self.path == "logits" else head_of(self.module)

    @property
    def body(self) -> Any:
        """The model without its head."""
        return _body(self.module)

    @property
    def device(self) -> torch.device:
        return next(self.module.parameters()).device

    def lay_out(self, examples: Sequence[Branching]) -> Layout:
        return lay_out(examples, self.device)

    def rows(self, examples: Sequence[Branching], layout: Layout) -> Tensor:
        """(T, D): for each completion token of `layout`, in order, what the head reads."""
        half = self.compute != torch.float32
        with torch.autocast(self.device.type, self.compute, enabled=half):
            rows_TD = self._rows(examples, layout)
        return rows_TD.to(self.compute) if half else rows_TD

    def _rows(self, examples: Sequence[Branching], layout: Layout) -> Tensor:
        if self.path != "packed":
            return self._padded_rows(examples)
        with packed_attention(self.module), self._trimmed(layout), fused(self.parts):
            hidden_1ND = _body(self.module)(
                input_ids=layout.ids_N[None],
                position_ids=layout.positions_N[None],
                use_cache=False,
                packed_layout=layout,
            ).last_hidden_state
        return hidden_1ND[0].index_select(0, layout.row_T)

    def _trimmed(self, layout: Layout) -> AbstractContextManager[None]:
        rows = layout.row_T if layout.attend_last is not None else layout.read_U
        if rows is None or not self.trims:
            return nullcontext()
        layer = last_layer(self.body)
        return only_at(layer, rows) if layer is not None else nullcontext()

    def _padded_rows(self, examples: Sequence[Branching]) -> Tensor:
        """The plain path: prompts repeated, sequences padded on the right, masks the model's own."""
        sequences = [(*e.prompt, *c[:-1]) for e in examples for c in e.completions]
        first = [len(e.prompt) - 1 for e in examples for _ in e.completions]
        width = max(map(len, sequences))
        ids_BL = torch.zeros(len(sequences), width, dtype=torch.long)
        mask_BL = torch.zeros(len(sequences), width, dtype=torch.long)
        for i, sequence in enumerate(sequences):
            ids_BL[i, : len(sequence)] = torch.tensor(sequence)
            mask_BL[i, : len(sequence)] = 1
        run = self.module if self.path == "logits" else _body(self.module)
        out = run(input_ids=ids_BL.to(self.device), attention_mask=mask_BL.to(self.device), use_cache=False)
        states = out.logits if self.path == "logits" else out.last_hidden_state
        parts = [states[i, f : len(s)] for i, (s, f) in enumerate(zip(sequences, first))]
        return torch.cat(parts)


def _body(module: Any) -> Any:
    """The model without its head."""
    return getattr(module, module.base_model_prefix)
