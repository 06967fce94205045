"""What a frozen model makes of a prompt and of an answer: hidden states before it and along it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from truenorth.judges._head import Features
from truenorth.records import Prompt

if TYPE_CHECKING:
    from truenorth.models.local import LocalModel


class Tree(NamedTuple):
    """A prompt and the completions that share it, as token ids."""

    prompt: tuple[int, ...]
    completions: tuple[tuple[int, ...], ...]


class Pooler:
    """Turns (prompt, answers) groups into feature vectors; opens the model once.

    Args:
        depths: fractions of the model's depth whose states are read: 0 embeddings, 1 the last layer.
        batch_tokens: tokens of one packed batch.
    """

    def __init__(self, model: LocalModel, *, depths: Sequence[float] = (0.5, 1.0), batch_tokens: int = 8192):
        from truenorth.models.opening import open_forward

        self.model, self.depths, self.batch_tokens = model, tuple(depths), batch_tokens
        self.forward = open_forward(model.module)

    def features(self, groups: Sequence[tuple[Prompt, Sequence[str]]]) -> Features:
        """Prompt: (answers, depths x width), the state at its last token, where the answer is decided. Answer:
        the same size, the mean of the states of its tokens. Group after group.

        The prompt's computation is shared by its answers.
        """
        import torch

        trees = [self._tree(prompt, answers) for prompt, answers in groups]
        order = sorted(range(len(trees)), key=lambda i: -size(trees[i]))
        rows: list[Any] = [None] * len(trees)
        with torch.inference_mode():
            for batch in batches(order, trees, self.batch_tokens):
                pooled = iter(self._pool([trees[i] for i in batch]))
                for i in batch:
                    rows[i] = [next(pooled) for _ in trees[i].completions]
        found = [row for group in rows for row in group]
        both = np.stack(found).astype(np.float64) if found else np.zeros((0, 0))
        half = both.shape[1] // 2
        return Features(both[:, :half], both[:, half:])

    def _tree(self, prompt: Prompt, answers: Sequence[str]) -> Tree:
        pairs = self.model.encode_pairs([(prompt, a) for a in answers], end=True)
        start = tuple(pairs[0].prompt) or (next(iter(sorted(self.model.eos_ids)), 0),)
        return Tree(start, tuple(tuple(p.completion) for p in pairs))

    def _pool(self, trees: Sequence[Tree]) -> NDArray[np.float32]:
        """(answers, prompt features and answer features)."""
        import torch

        layout = self.forward.lay_out(trees)
        states = self._states(trees, layout)
        lengths_A = torch.tensor(layout.lengths, device=states[0].device)
        answer_T = torch.repeat_interleave(torch.arange(len(lengths_A), device=lengths_A.device), lengths_A)
        first_A = lengths_A.cumsum(0) - lengths_A
        inner_T = torch.ones(len(answer_T), device=lengths_A.device)
        inner_T[first_A] = 0.0  # the state before an answer's first token is the prompt's
        parts = [state_TD[first_A] for state_TD in states]
        for state_TD in states:
            sum_AD = state_TD.new_zeros(len(lengths_A), state_TD.shape[1])
            sum_AD.index_add_(0, answer_T, state_TD * inner_T[:, None])
            parts.append(sum_AD / (lengths_A - 1).clamp(min=1)[:, None])
        return torch.cat(parts, dim=1).cpu().numpy()

    def _states(self, trees: Sequence[Tree], layout: Any) -> list[Any]:
        """(T, D) float32 at each depth: packed where the model allows it, else padded."""
        import torch

        from truenorth.models.packed import packed_attention

        module = self.forward.module
        if self.forward.path == "packed":
            with packed_attention(module):
                out = getattr(module, module.base_model_prefix)(
                    input_ids=layout.ids_N[None],
                    position_ids=layout.positions_N[None],
                    use_cache=False,
                    packed_layout=layout,
                    output_hidden_states=True,
                )
            return [self._at(out, d)[0].index_select(0, layout.row_T).float() for d in self.depths]
        sequences = [(*t.prompt, *c[:-1]) for t in trees for c in t.completions]
        first = [len(t.prompt) - 1 for t in trees for _ in t.completions]
        width = max(map(len, sequences))
        ids_BL = torch.tensor([[*s, *[0] * (width - len(s))] for s in sequences])
        mask_BL = torch.tensor([[1] * len(s) + [0] * (width - len(s)) for s in sequences])
        device = self.forward.device
        out = module(
            input_ids=ids_BL.to(device),
            attention_mask=mask_BL.to(device),
            use_cache=False,
            output_hidden_states=True,
        )
        return [
            torch.cat(
                [self._at(out, d)[i, f : len(s)] for i, (s, f) in enumerate(zip(sequences, first))]
            ).float()
            for d in self.depths
        ]

    def _at(self, out: Any, depth: float) -> Any:
        return out.hidden_states[round(depth * (len(out.hidden_states) - 1))]


def size(tree: Tree) -> int:
    return len(tree.prompt) + sum(map(len, tree.completions))


def batches(order: Sequence[int], trees: Sequence[Tree], tokens: int) -> Iterator[list[int]]:
    """Runs of `order` of at most so many tokens; one tree at least."""
    batch: list[int] = []
    held = 0
    for i in order:
        if batch and held + size(trees[i]) > tokens:
            yield batch
            batch, held = [], 0
        batch.append(i)
        held += size(trees[i])
    if batch:
        yield batch
