"""The first examples as the model will see them, with what is trained set apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from truenorth.learn.data.encode import Encoded
from truenorth.learn.data.prepare import Prepared

OPEN, CLOSE = "⟦", "⟧"  # around what is trained, where there are no colours
MOST = 1200  # characters of an example; its middle is left out beyond


class Stretch(NamedTuple):
    """A run of text that is trained, or is not."""

    text: str
    trained: bool


def stretches(data: Prepared, one: Encoded, completion: int = 0) -> list[Stretch]:
    """A prompt and one of its completions as text, cut where training begins and ends. Special tokens are shown."""
    ids = one.completions[completion]
    trained = one.trained[completion] if one.trained else (True,) * len(ids)
    flagged = [*((i, False) for i in one.prompt), *zip(ids, trained)]
    decode = data.codec.tokenizer.decode
    found = []
    for on, group in groupby(flagged, key=lambda pair: pair[1]):
        text = decode([i for i, _ in group], skip_special_tokens=False, clean_up_tokenization_spaces=False)
        found.append(Stretch(text, on))
    return found


def previews(data: Prepared, count: int = 3) -> Iterator[tuple[str, list[Stretch]]]:
    """(title, stretches) of the first examples, each completion of them."""
    for one in data.encoded[:count]:
        names = names_of(data, one)
        for k, name in enumerate(names):
            cut = (
                f", {', '.join(sorted(one.marks))} cut"
                if one.marks - {"prefix", "folded", "untemplated"}
                else ""
            )
            learned = sum(one.trained[k]) if one.trained else len(one.completions[k])
            tokens = len(one.prompt) + len(one.completions[k])
            yield f"row {one.row}{name}: {learned} of {tokens} tokens trained{cut}", stretches(data, one, k)


def names_of(data: Prepared, one: Encoded) -> Sequence[str]:
    """What to call each of an example's answers."""
    if len(one.completions) == 1:
        return [f" ({k} {v})" for k, v in one.columns.items() if k == "label"] or [""]
    if data.kind == "preference" and len(one.completions) == 2:
        return [", chosen", ", rejected"]
    return [f", answer {k}" for k in range(len(one.completions))]


def shorten(text: str, most: int = MOST) -> str:
    """A long text without its middle."""
    return text if len(text) <= most else f"{text[: most // 2]} ... {text[-most // 2 :]}"


def plain(parts: Sequence[Stretch]) -> str:
    """For files and pipes: what is trained stands in brackets."""
    return "".join(f"{OPEN}{shorten(s.text)}{CLOSE}" if s.trained else shorten(s.text) for s in parts)


def coloured(parts: Sequence[Stretch]) -> Any:
    """For a terminal (a rich Text): the prompt dim, what is trained bright."""
    from rich.text import Text

    made = Text()
    for part in parts:
        made.append(shorten(part.text), style="bold green" if part.trained else "dim")
    return made
