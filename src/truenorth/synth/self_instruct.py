"""Self-Instruct: a few prompts that people wrote grow into many, each new one unlike all before it.

Source: Wang et al. 2023, "Self-Instruct" (arXiv:2212.10560), section 2.2, and its released bootstrap_instructions.py.
Differences: a prompt may begin with any letter, not only an ASCII one, and what is banned is an argument.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from truenorth.base import UserError, seed_of
from truenorth.models.protocol import Model, Tick
from truenorth.records import Row, Source
from truenorth.synth.asking import Said, gathered, part_seed
from truenorth.synth.filters import Filtered, last_turn, like
from truenorth.synth.novelty import BANNED, malformed
from truenorth.synth.rouge import Pool
from truenorth.synth.writing import Brief, Way, write_prompts

TEMPLATE = (
    "Here is a list of tasks. Go on with it, from number {next}: other tasks, as varied as these.\n{shown}"
)


def self_instruct(
    model: Model,
    seeds: Sequence[Row],
    n: int,
    *,
    way: Way = "list",
    template: str = TEMPLATE,
    shown: int = 8,
    made: int = 2,
    near: float = 0.7,
    least_words: int = 4,
    most_words: int = 150,
    banned: Sequence[str] = BANNED,
    count: int = 8,
    together: int = 16,
    rounds: int = 100,
    patience: int = 3,
    temperature: float = 0.7,
    top_p: float = 0.5,
    max_tokens: int = 256,
    seed: int = 0,
    tick: Tick | None = None,
) -> Filtered:
    """Up to `n` new prompts; the parents of each are the prompts that it was shown after. Seeds are not among them.

    Reasons: "error", "refused", "cut off", "blank", "repeated", "format" (a reply that is no list), the forms of
    `malformed`, "seen" (ROUGE-L F above `near` with a seed or an earlier one), "beyond what was asked for".

    Args:
        way: how the model is asked; see `write_prompts`.
        shown: prompts shown in a request, as far as there are so many; `made` of them new ones, once there are.
        count: prompts taken of a reply, at most.
        together: requests asked at once, all with what was known before; 1 is the paper's order.
        rounds: of requests, at most.
        patience: rounds in a row without a new prompt, after which it ends.
        tick: called with the number of requests done.

    Raises:
        UserError: no seeds, or a setting below 1.
    """
    _check(seeds, shown=shown, count=count, together=together, rounds=rounds, patience=patience)
    pool = Pool(last_turn(row) for row in seeds)
    settings: dict[str, Any] = {"way": way, "template": template, "count": count, "tick": tick}
    settings |= {"max_tokens": max_tokens, "temperature": temperature, "top_p": top_p}
    kept: list[Row] = []
    found: list[Row | str] = []

    def wrong(one: Said) -> str:
        fault = one.fault or malformed(
            one.text, least_words=least_words, most_words=most_words, banned=banned
        )
        fault = fault or ("seen" if pool.highest(one.text, above=near) > near else "")
        return fault or ("" if len(kept) < n else "beyond what was asked for")

    idle = 0
    for turn in range(rounds):
        if len(kept) >= n or idle == patience:
            break
        before = len(kept)
        examples = [
            _examples(seeds, kept, shown, made, seed_of("shown", seed, turn, k)) for k in range(together)
        ]
        briefs = [Brief(shown=tuple(last_turn(row) for row in rows)) for rows in examples]
        replies = write_prompts(model, briefs, seed=part_seed(seed, "self-instruct", turn), **settings)
        for rows, group in zip(examples, replies, strict=True):
            for one in group:
                if not (fault := wrong(one)):
                    pool.add(one.text)
                    kept.append(_row(one, rows, model, seed))
                found.append(fault or kept[-1])
        idle = idle + 1 if len(kept) == before else 0
    return gathered(found)


def _check(seeds: Sequence[Row], **least_one: int) -> None:
    if not seeds:
        raise UserError("no seed prompts", where="Self-Instruct", fix="give at least one")
    for name, value in least_one.items():
        if value < 1:
            raise UserError(f"{name} {value}", where="Self-Instruct", expected="at least 1")


def _examples(seeds: Sequence[Row], kept: Sequence[Row], shown: int, made: int, draw: int) -> list[Row]:
    """Of the new prompts `made`, as far as there are, and seeds for the rest; in an order drawn."""
    rng = random.Random(draw)
    new = rng.sample(list(kept), min(made, shown - 1, len(kept)))
    rows = new + rng.sample(list(seeds), min(shown - len(new), len(seeds)))
    rng.shuffle(rows)
    return rows


def _row(one: Said, rows: Sequence[Row], model: Model, seed: int) -> Row:
    text = one.text[:1].upper() + one.text[1:]
    source = Source(
        "self-instruct", "imitation", model=model.name, seed=seed, parents=tuple(row.id for row in rows)
    )
    return Row({"prompt": like(rows[0], text)}, source)
