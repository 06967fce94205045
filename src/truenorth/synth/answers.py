"""Completions as rows: what a model answered to each prompt, with where it came from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from truenorth.models.protocol import Model, Tick
from truenorth.records import Prompt, Row, Source
from truenorth.synth.filters import row_prompt


def as_answer(prompt: Prompt, text: str) -> Any:
    """A completion in TRL's shape: plain text for a plain prompt, an assistant turn for a chat."""
    return text if isinstance(prompt, str) else [{"role": "assistant", "content": text}]


def answer_text(completion: Any) -> str:
    """The words of a completion in either shape."""
    return completion if isinstance(completion, str) else "\n".join(turn["content"] for turn in completion)


def answers(
    model: Model,
    prompts: Sequence[Row],
    n: int,
    *,
    seed: int = 0,
    temperature: float = 1.0,
    top_p: float = 1.0,
    max_tokens: int = 64,
    tick: Tick | None = None,
) -> list[list[Row]]:
    """`n` rows a prompt with columns prompt, completion, logprob (nats), finish, index; errors included."""
    drawn = model.sample(
        [row_prompt(row) for row in prompts],
        n,
        max_tokens=max_tokens,
        temperature=temperature,
        top_p=top_p,
        seed=seed,
        tick=tick,
    )
    note = f"temperature {temperature}, top-p {top_p}"
    return [
        [
            Row(
                {
                    "prompt": row_prompt(row),
                    "completion": as_answer(row_prompt(row), one.text),
                    "logprob": one.logprob,
                    "finish": one.finish,
                    "index": i,
                },
                Source("sample", model=model.name, seed=seed, parents=(row.id,), note=note),
            )
            for i, one in enumerate(group)
        ]
        for row, group in zip(prompts, drawn, strict=True)
    ]
