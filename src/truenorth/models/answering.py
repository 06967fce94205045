"""Answers of a local model: equal prompts are asked once, requests are drawn in batches, batches side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from truenorth.base import seed_of
from truenorth.models.crew import share
from truenorth.models.protocol import Tick
from truenorth.models.sampling import Ask, plan, sample_batch
from truenorth.records import Completion, Prompt, prompt_text

if TYPE_CHECKING:
    from truenorth.models.local import LocalModel

Ids = tuple[int, ...]


class Drawing(NamedTuple):
    """Settings of `LocalModel.sample`."""

    n: int
    max_tokens: int
    temperature: float
    top_p: float
    seed: int
    stop: tuple[str, ...]


class Request(NamedTuple):
    """What is sampled, and the rows that it answers."""

    ask: Ask
    prompt: Prompt
    rows: list[int]
    first: bool  # of those for its rows


def answered(
    model: LocalModel,
    prompts: Sequence[Prompt],
    asked: Mapping[int, Ids],
    how: Drawing,
    *,
    tick: Tick | None = None,
) -> dict[int, list[Completion]]:
    """Row -> `n` completions, of the rows that are asked.

    Args:
        asked: row -> the token ids of its prompt.
    """
    requests = _requests(model, prompts, asked, how)
    batches = plan([r.ask for r in requests], batch_tokens=model.batch_tokens, batch_rows=model.batch_rows)
    shared = bool(requests) and model.shares_prompts  # found out here, before the threads begin
    parts: list[list[Completion]] = [[] for _ in requests]

    def drawn(module: Any, batch: Sequence[int]) -> list[list[Completion]]:
        return _drawn(model, module, [requests[k] for k in batch], how, shared=shared)

    def done(k: int, groups: list[list[Completion]]) -> None:
        for place, group in zip(batches[k], groups, strict=True):
            parts[place] = group
        if tick is not None:
            tick(sum(len(requests[place].rows) for place in batches[k] if requests[place].first))

    share(model.module, drawn, batches, done)
    found: dict[int, list[Completion]] = {i: [] for i in asked}
    for one, part in zip(requests, parts, strict=True):
        for i in one.rows:
            found[i] = found[i] + part
    return found


def _requests(
    model: LocalModel, prompts: Sequence[Prompt], asked: Mapping[int, Ids], how: Drawing
) -> list[Request]:
    """Equal prompts have equal answers, so they are one request; more answers than a batch has rows are several,
    next to each other."""
    rows_of: dict[tuple[str, Ids], list[int]] = {}
    for i, ids in asked.items():
        rows_of.setdefault((prompt_text(prompts[i]), ids), []).append(i)
    requests: list[Request] = []
    for (text, ids), rows in rows_of.items():
        room = how.max_tokens if model.context is None else min(how.max_tokens, model.context - len(ids))
        seeds = [seed_of(how.seed, text, k) for k in range(how.n)]
        for at in range(0, how.n, model.batch_rows):
            ask = Ask(ids, seeds[at : at + model.batch_rows], room)
            requests.append(Request(ask, prompts[rows[0]], rows, at == 0))
    return requests


def _drawn(
    model: LocalModel, module: Any, batch: Sequence[Request], how: Drawing, *, shared: bool
) -> list[list[Completion]]:
    """The completions of one batch, by the model's module or a twin of it."""
    groups = sample_batch(
        module,
        [one.ask for one in batch],
        eos_ids=model.eos_ids,
        pad_id=model.pad_id,
        temperature=how.temperature,
        top_p=how.top_p,
        halt=_halt(model, batch, how.stop),
        shared=shared,
    )
    found = []
    for one, group in zip(batch, groups, strict=True):
        texts = [_cut(model.codec.text(one.prompt, one.ask.ids, row.tokens), how.stop) for row in group]
        found.append([Completion(t, r.tokens, r.logprob, r.finish) for t, r in zip(texts, group)])
    return found


def _halt(
    model: LocalModel, batch: Sequence[Request], stop: Sequence[str]
) -> Callable[[int, Sequence[int]], bool] | None:
    """Says whether an answer to a request of this batch has written a stop string."""
    if not stop:
        return None
    return lambda p, tokens: any(
        s in model.codec.text(batch[p].prompt, batch[p].ask.ids, tokens) for s in stop
    )


def _cut(text: str, stop: Sequence[str]) -> str:
    """The text before the first stop string."""
    return text[: min((text.find(s) for s in stop if s in text), default=len(text))]
