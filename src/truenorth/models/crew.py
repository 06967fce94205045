"""Several threads, one model: each thread works through batches of its own, with a twin that has the same weights.

On a CPU the matrix products of small models are too small to share among cores: sampling from 2M parameters, two
threads on one product take 1.4 times the CPU time of one, two threads on two batches hardly more than one. A twin
has the same weight tensors (nothing is copied) and settings of its own, so that one may switch its attention
while another does not.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any, TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")
MOST = 8  # threads; each holds the memory of one batch


def share(
    module: Any,
    work: Callable[[Any, Item], Result],
    items: Sequence[Item],
    done: Callable[[int, Result], None] | None = None,
) -> list[Result]:
    """`work(module or a twin, item)` of every item, in order: at once on a CPU, one after another elsewhere.

    There are as many threads as torch has, at most 8, and each computes with its share of them.

    Args:
        done: called in the caller's thread with each item's number and result, in order, as they come.
    """
    threads = torch.get_num_threads()
    size = min(threads, MOST, len(items)) if module.device.type == "cpu" else 1
    done = done or _nothing
    if size < 2:
        results = []
        for i, item in enumerate(items):
            results.append(work(module, item))
            done(i, results[-1])
        return results
    free: SimpleQueue[Any] = SimpleQueue()
    for member in [module, *(twin(module) for _ in range(size - 1))]:
        free.put(member)

    def one(item: Item) -> Result:
        member = free.get()
        try:
            return work(member, item)
        finally:
            free.put(member)

    each, results = threads // size, []
    torch.set_num_threads(each)  # new threads of OpenMP would otherwise be as many again in every worker
    pool = ThreadPoolExecutor(size, "crew", initializer=torch.set_num_threads, initargs=(each,))
    try:
        for i, result in enumerate(pool.map(one, items)):
            results.append(result)
            done(i, result)
        return results
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)


def _nothing(number: int, result: Any) -> None:
    """Nobody waits for it."""


def twin(module: Any) -> Any:
    """The same model with the same weight tensors, and settings of its own."""
    same: dict[int, Any] = {
        id(p): torch.nn.Parameter(p.data, requires_grad=p.requires_grad) for p in module.parameters()
    }
    same |= {id(buffer): buffer for buffer in module.buffers()}
    return copy.deepcopy(module, same)
