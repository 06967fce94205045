"""The same prompts in other words: a model is asked to paraphrase the last user turn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from truenorth.judges._prompts import replace_last_user
from truenorth.models.protocol import Model, Tick
from truenorth.records import Message, Row, Source
from truenorth.synth.dedupe import normalise
from truenorth.synth.filters import Filtered, filtered, last_turn, row_prompt

TEMPLATE = "Say this in other words, and nothing else:\n{prompt}"
Accept = Callable[[str, str], bool]


def rephrase(
    model: Model,
    rows: Sequence[Row],
    *,
    n: int = 1,
    template: str = TEMPLATE,
    accept: Accept | None = None,
    seed: int = 0,
    temperature: float = 1.0,
    max_tokens: int = 64,
    tick: Tick | None = None,
) -> Filtered:
    """New prompts, each with the row it rephrases as its parent. The rows themselves are not among them.

    Reasons: "error", "cut off", "blank", "unchanged", "refused by accept".

    Args:
        template: the request, with `{prompt}` where the last user turn goes.
        accept: of the old and the new text; for example that numbers are kept.
    """
    requests: list[list[Message]] = [
        [{"role": "user", "content": template.replace("{prompt}", last_turn(row))}] for row in rows
    ]
    answers = model.sample(requests, n, max_tokens=max_tokens, temperature=temperature, seed=seed, tick=tick)
    made, reasons = [], []
    for row, group in zip(rows, answers, strict=True):
        old = last_turn(row)
        for one in group:
            new = one.text.strip().strip('"')
            if one.finish in ("error", "length"):
                reasons.append("error" if one.finish == "error" else "cut off")
            elif not new:
                reasons.append("blank")
            elif normalise(new) == normalise(old):
                reasons.append("unchanged")
            elif accept is not None and not accept(old, new):
                reasons.append("refused by accept")
            else:
                prompt = replace_last_user(row_prompt(row), partial(_instead, new))
                source = Source("rephrase", model=model.name, seed=seed, parents=(row.id,))
                made.append(Row({**row.data, "prompt": prompt}, source))
    return filtered(made, reasons)


def _instead(new: str, old: str) -> str:
    return new
