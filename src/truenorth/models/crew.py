"""Several threads, one model: each thread works through its share with a twin that has the same weights.

On a CPU the matrix products of small models are too small to share among cores: two threads on one product take
one and a half times the CPU time of one (2M parameters). Two threads on two batches take hardly more. A twin has
the same weight tensors (nothing is copied) but gradients and settings of its own.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")
MOST = 8  # threads; each holds the activations of one batch


class Crew:
    """`twins[0]` is the model itself. One member is no crew at all: everything runs in the caller's thread."""

    def __init__(self, module: Any, pool: ThreadPoolExecutor | None, size: int):
        self.twins = [module, *(twin(module) for _ in range(size - 1))]
        self._pool = pool

    @property
    def size(self) -> int:
        return len(self.twins)

    def run(
        self,
        work: Callable[[int, Item], Result],
        items: Sequence[Item],
        done: Callable[[int, Result], None] | None = None,
    ) -> list[Result]:
        """`work(member, item)` of every item, in order. Member k does items k, k + size, ... one after another.

        So which member does an item, and the order in which it adds gradients, do not depend on chance.

        Args:
            done: called in this thread with the number of each item and its result, in order.
        """
        if self._pool is None:
            results = []
            for i, item in enumerate(items):
                results.append(work(0, item))
                if done:
                    done(i, results[-1])
            return results
        lanes = [self._pool.submit(_lane, work, k, list(items[k :: self.size])) for k in range(self.size)]
        found = [lane.result() for lane in lanes]
        results = [found[i % self.size][i // self.size] for i in range(len(items))]
        for i, result in enumerate(results):
            if done:
                done(i, result)
        return results

    def collect(self) -> None:
        """Add the twins' gradients to the model's own, member by member, and clear them."""
        for other in self.twins[1:]:
            for own, its in zip(self.twins[0].parameters(), other.parameters(), strict=True):
                if its.grad is not None:
                    own.grad = its.grad if own.grad is None else own.grad.add_(its.grad)
                    its.grad = None


def _lane(work: Callable[[int, Item], Result], member: int, items: Sequence[Item]) -> list[Result]:
    return [work(member, item) for item in items]


@contextmanager
def crew(module: Any, *, most: int = MOST) -> Iterator[Crew]:
    """As many members as torch has threads, on a CPU; meanwhile each of them computes with one thread."""
    threads = torch.get_num_threads()
    size = min(threads, most) if next(module.parameters()).device.type == "cpu" else 1
    if size < 2:
        yield Crew(module, None, 1)
        return
    each = threads // size
    torch.set_num_threads(each)
    try:
        with ThreadPoolExecutor(size, "crew", initializer=torch.set_num_threads, initargs=(each,)) as pool:
            yield Crew(module, pool, size)
    finally:
        torch.set_num_threads(threads)


def twin(module: Any) -> Any:
    """The same model with the same weight tensors, and gradients, settings and hooks of its own."""
    shared: dict[int, Any] = {}
    for parameter in module.parameters():
        same = torch.nn.Parameter(parameter.data, requires_grad=parameter.requires_grad)
        shared[id(parameter)] = same
    for buffer in module.buffers():
        shared[id(buffer)] = buffer
    return copy.deepcopy(module, shared)
