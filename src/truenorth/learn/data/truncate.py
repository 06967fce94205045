"""What a row that is too long loses, and how it is said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from truenorth.learn.data.encode import Encoded, Shape

NAMES = {1: ("completion",), 2: ("chosen", "rejected")}


def truncate(one: Encoded, shape: Shape, *, bos: int | None) -> Encoded | None:
    """The example within `shape.max_length` and `shape.max_prompt_length`; None where nothing of it is left to learn.

    All completions of a prompt see the same prompt. A prompt that loses its beginning keeps its BOS.

    Args:
        bos: the id that prompts begin with, where they do.
    """
    cut = set(one.marks)
    prompt = one.prompt
    if shape.max_prompt_length is not None and len(prompt) > shape.max_prompt_length:
        prompt = _end_of(prompt, shape.max_prompt_length, bos)
        cut.add("prompt")
    most = shape.max_length
    if most is None or len(prompt) + max(map(len, one.completions)) <= most:
        return one._replace(prompt=prompt, marks=frozenset(cut))
    mode = shape.truncation_mode
    completions, trained = one.completions, one.trained
    whole_chat = one.trained is not None  # its later turns go first: its beginning sets the scene
    if len(prompt) > 1 and (mode == "keep_end" or (mode == "prompt_first" and not whole_chat)):
        longest = max(map(len, completions))
        room = max(1, most - longest)
        if len(prompt) > room:
            prompt = _end_of(prompt, room, bos)
            cut.add("prompt")
    room = most - len(prompt)
    if room < 1:
        return None
    names = NAMES.get(len(completions), tuple(f"completion {i}" for i in range(len(completions))))
    cut |= {name for name, c in zip(names, completions) if len(c) > room}
    piece = slice(-room, None) if mode == "keep_end" else slice(0, room)
    kept = tuple(c[piece] if len(c) > room else c for c in completions)
    if trained is not None:
        trained = tuple(t[piece] if len(t) > room else t for t in trained)
        if not any(map(any, trained)):
            return None
    columns = {name: _like(value, completions, kept, piece) for name, value in one.columns.items()}
    return one._replace(
        prompt=prompt, completions=kept, trained=trained, columns=columns, marks=frozenset(cut)
    )


def _like(value: Any, whole: Sequence[Sequence[int]], kept: Sequence[Sequence[int]], piece: slice) -> Any:
    """A column with a number for each token is cut as the tokens are."""
    if not isinstance(value, list) or not all(isinstance(v, list) for v in value):
        return value
    fits = len(value) == len(whole) and all(len(v) == len(c) for v, c in zip(value, whole))
    return [v[piece] if len(c) > len(k) else v for v, c, k in zip(value, whole, kept)] if fits else value


def _end_of(prompt: Sequence[int], most: int, bos: int | None) -> tuple[int, ...]:
    """The last `most` tokens, the first of them BOS if the prompt began with it and there is room for both."""
    if bos is not None and prompt[:1] == (bos,) and most > 1:
        return (prompt[0], *prompt[len(prompt) - most + 1 :])
    return tuple(prompt[len(prompt) - most :])
