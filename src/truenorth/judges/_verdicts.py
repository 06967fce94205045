"""Log-probabilities of one-word verdicts under a local model: many in one forward pass, shared beginnings once.

Prompts that begin alike (the same rubric, the same answer under another question) become one sequence that
branches; all options of a prompt are read from the same position.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor

    from truenorth.models.forward import Forward
    from truenorth.models.local import LocalModel
    from truenorth.models.packed import Layout
    from truenorth.records import Prompt

LEAST_SHARED = 16  # tokens; a shorter common beginning is not worth a branch


class Branches(NamedTuple):
    """A common beginning and what follows it, one continuation a verdict."""

    prompt: tuple[int, ...]
    completions: tuple[tuple[int, ...], ...]


def local_verdicts(
    model: LocalModel,
    forward: Forward,
    prompts: Sequence[Prompt],
    options: Sequence[str],
    *,
    batch_tokens: int = 8192,
) -> list[dict[str, float]]:
    """For each prompt, the log-probability (nats) of each option as the beginning of the answer.

    An option counts with and without a space before it, whichever way the tokenizer writes it.
    """
    import torch

    spelt = list(dict.fromkeys(s for o in options for s in (o.strip(), " " + o.strip())))
    ids: list[tuple[int, ...]] = []
    words: list[list[tuple[int, ...]]] = []
    for start in range(0, len(prompts), 256):
        chunk = prompts[start : start + 256]
        pairs = model.encode_pairs([(p, s) for p in chunk for s in spelt], end=False)
        for i in range(len(chunk)):
            mine = pairs[i * len(spelt) : (i + 1) * len(spelt)]
            ids.append(tuple(mine[0].prompt) or (next(iter(sorted(model.eos_ids)), 0),))
            words.append([tuple(p.completion) for p in mine])
    _check_length(model, ids, words)
    single = all(len(w) == 1 for row in words for w in row)
    totals: list[dict[str, float]] = [{} for _ in prompts]
    with torch.inference_mode():
        for batch in packed(ids, batch_tokens):
            for i, logp_W in _read(forward, batch, ids, words, single=single):
                totals[i] = dict(zip(spelt, logp_W))
    return [{o: _either(found, words[i], spelt, o) for o in options} for i, found in enumerate(totals)]


def _either(
    found: dict[str, float], words: Sequence[tuple[int, ...]], spelt: Sequence[str], option: str
) -> float:
    """Both spellings together; once where they are the same tokens."""
    names = [option.strip(), " " + option.strip()]
    tokens = {words[spelt.index(name)]: found[name] for name in names}
    top = max(tokens.values())
    return top + math.log(sum(math.exp(v - top) for v in tokens.values())) if top > -math.inf else top


def _check_length(
    model: LocalModel, ids: Sequence[tuple[int, ...]], words: Sequence[list[tuple[int, ...]]]
) -> None:
    from truenorth.base import UserError

    longest = max((len(a) + max(map(len, w)), i) for i, (a, w) in enumerate(zip(ids, words)))
    if model.context is not None and longest[0] > model.context:
        what = f"{longest[0]} tokens, and the context holds {model.context}"
        raise UserError(what, where=f"{model.name}, request {longest[1]}", fix="shorten the answer")


def _read(
    forward: Forward,
    batch: Sequence[tuple[tuple[int, ...], list[int]]],
    ids: Sequence[tuple[int, ...]],
    words: Sequence[list[tuple[int, ...]]],
    *,
    single: bool,
) -> list[tuple[int, list[float]]]:
    """(number of the prompt, log-probability of each spelling) of the prompts of a batch."""
    import torch

    trees, members = [], []
    for shared, group in batch:
        rests = [ids[i][len(shared) :] for i in group]
        asked = [
            (r + w[0],) if single else tuple(r + one for one in w)
            for r, w in zip(rests, (words[i] for i in group))
        ]
        trees.append(Branches(shared, tuple(c for some in asked for c in some)))
        members += group
    layout = forward.lay_out(trees)
    rows_TD = forward.rows(trees, layout)
    ends = torch.tensor(layout.lengths, device=rows_TD.device).cumsum(0)
    if single:
        logits_BV = forward.head.logits(rows_TD.index_select(0, ends - 1))
        logp_BV = logits_BV - logits_BV.logsumexp(1, keepdim=True)
        picks = torch.tensor([[w[0] for w in words[i]] for i in members], device=rows_TD.device)
        return list(zip(members, logp_BV.gather(1, picks).double().tolist()))
    return _several(forward, layout, rows_TD, ends, members, words)


def _several(
    forward: Forward,
    layout: Layout,
    rows_TD: Tensor,
    ends: Tensor,
    members: Sequence[int],
    words: Sequence[list[tuple[int, ...]]],
) -> list[tuple[int, list[float]]]:
    """Options of several tokens: the sum over the option's own tokens."""
    from truenorth.models.head import target_logps

    found, branch = [], 0
    for i in members:
        sums = []
        for word in words[i]:
            end = int(ends[branch])
            own = slice(end - len(word), end)
            sums.append(float(target_logps(forward.head, rows_TD[own], layout.target_T[own]).sum()))
            branch += 1
        found.append((i, sums))
    return found


def packed(
    ids: Sequence[tuple[int, ...]], batch_tokens: int
) -> list[list[tuple[tuple[int, ...], list[int]]]]:
    """Batches of (common beginning, numbers of the prompts that have it), each of about so many tokens."""
    batches: list[list[tuple[tuple[int, ...], list[int]]]] = []
    held = batch_tokens
    for shared, group in grouped(ids, batch_tokens):
        size = len(shared) + sum(len(ids[i]) - len(shared) for i in group)
        if held + size > batch_tokens:
            batches.append([])
            held = 0
        batches[-1].append((shared, group))
        held += size
    return batches


def grouped(ids: Sequence[tuple[int, ...]], most: int) -> list[tuple[tuple[int, ...], list[int]]]:
    """Prompts that begin alike, in the order of their tokens; each leaves at least one token of its own.

    >>> grouped([tuple(range(20)), (9,), (*range(19), 5)], 100)[0]
    ((0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18), [2, 0])
    """
    order = sorted(range(len(ids)), key=lambda i: ids[i])
    groups: list[tuple[tuple[int, ...], list[int]]] = []
    size = 0
    for i in order:
        if groups:
            shared, group = groups[-1]
            n = common(shared, ids[i])
            new = len(ids[i]) - n
            if (
                n >= max(LEAST_SHARED, len(shared) // 2)
                and size + new + len(group) * (len(shared) - n) <= most
            ):
                groups[-1] = (shared[:n], [*group, i])
                size += new + len(group) * (len(shared) - n)
                continue
        groups.append((ids[i], [i]))
        size = len(ids[i])
    return [(s if len(g) > 1 or len(s) < 2 else s[:-1], g) for s, g in groups]


def common(a: Sequence[int], b: Sequence[int]) -> int:
    """Tokens with which both begin, alike."""
    return next((k for k, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
