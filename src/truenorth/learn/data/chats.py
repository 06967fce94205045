"""Chats through a model's template: their text, and which parts of it the assistant wrote.

A template that marks the assistant's words with `{% generation %}` is taken at its word. For all others the words
are found by rendering the chat again with one turn's content changed: what differs is that content.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from jinja2.exceptions import TemplateError

from truenorth.base import UserError
from truenorth.models.encoding import Codec, fold_system

MARKED = re.compile(r"\{%-?\s*generation\b")
Extra = Mapping[
    str, Any
]  # further arguments of the template: tools, documents, and a row's chat_template_kwargs
# TypeError: a template that joins text to the content of a turn that has none.
REFUSALS = (TemplateError, ValueError, TypeError)
Span = tuple[int, int]  # characters of a rendered chat: from, up to


class Written(NamedTuple):
    """A prompt and an answer as the template writes them."""

    prompt: str
    answer: str  # with the token that ends the turn, and nothing after it
    prefix: bool  # the prompt, as it is when the model is asked, is what the whole chat begins with
    folded: bool  # the system turn was put into the first user turn: the template has no place for it


class Token(NamedTuple):
    """A token of a text and whether it is trained."""

    id: int
    trained: bool


def render(codec: Codec, messages: Sequence[Any], *, ask: bool = False, extra: Extra | None = None) -> str:
    """The chat as text; `ask`: up to where the assistant speaks.

    Raises:
        UserError: the template refuses these turns.
    """
    prefill = ask and messages[-1]["role"] == "assistant"
    try:
        text = codec.tokenizer.apply_chat_template(
            list(messages),
            tokenize=False,
            add_generation_prompt=ask and not prefill,
            continue_final_message=prefill,
            **(extra or {}),
        )
    except REFUSALS as error:
        raise _refused(messages, error) from error
    return text + codec.turn.opening if ask and not prefill and codec.turn else text


def _refused(messages: Sequence[Any], error: Exception) -> UserError:
    turns = [m["role"] for m in messages]
    return UserError(f"the model's chat template refuses the turns {turns} ({error})")


def suited(codec: Codec, messages: Sequence[Any], extra: Extra | None = None) -> tuple[list[Any], bool]:
    """The messages as the template takes them, and whether the system turn had to be folded into the first."""
    systems = [m["content"].strip() for m in messages if m["role"] == "system"]
    if not systems:
        return list(messages), False
    try:
        text = render(codec, messages, extra=extra)
    except UserError:
        text = ""
    kept = bool(text) and all(system in text for system in systems)
    return (list(messages), False) if kept else (fold_system(messages), True)


def written(
    codec: Codec, prompt: Sequence[Any], answer: Sequence[Any], extra: Extra | None = None
) -> Written:
    """A prompt of messages and the messages that answer it."""
    whole, folded = suited(codec, [*prompt, *answer], extra)
    asked = whole[: len(whole) - len(answer)]
    if not asked:
        raise UserError("the prompt has no turns")
    head, full = render(codec, asked, ask=True, extra=extra), render(codec, whole, extra=extra)
    if full.startswith(head):
        return Written(head, up_to_end(codec, full[len(head) :]), True, folded)
    texts = "\n".join(str(m["content"]) for m in answer)
    return Written(head, texts + end_text(codec), False, folded)


def end_text(codec: Codec) -> str:
    """The text of the token that ends a turn of the assistant; empty where there is none."""
    end = codec.turn.end_id if codec.turn and codec.turn.end_id is not None else codec.text_end_id
    return "" if end is None else codec.tokenizer.convert_ids_to_tokens(end)


def up_to_end(codec: Codec, text: str) -> str:
    """An answer up to the token that ends its last turn; that token is added where the template has none."""
    end = end_text(codec)
    if not end:
        return text
    at = text.rfind(end)
    return text[: at + len(end)] if at >= 0 and not text[at + len(end) :].strip() else text.rstrip() + end


def chat_tokens(
    codec: Codec, messages: Sequence[Any], *, assistant_only: bool, extra: Extra | None = None
) -> tuple[list[Token], bool]:
    """The tokens of a whole chat, and whether its system turn was folded.

    Args:
        assistant_only: train what the assistant wrote, with the tokens that end its turns; else everything.

    Raises:
        UserError: the template refuses the chat, or the assistant's words cannot be found in it.
    """
    turns, folded = suited(codec, messages, extra)
    if not assistant_only:
        text = render(codec, turns, extra=extra)
        return [Token(i, True) for i in codec.tokenizer(text, add_special_tokens=False)["input_ids"]], folded
    if MARKED.search(codec.tokenizer.chat_template):
        return _marked(codec, turns, extra), folded
    text = render(codec, turns, extra=extra)
    spans = assistant_spans(codec, turns, text, extra)
    return tokens_of(codec, text, spans), folded


def _marked(codec: Codec, messages: Sequence[Any], extra: Extra | None) -> list[Token]:
    how = {"tokenize": True, "return_dict": True, "return_assistant_tokens_mask": True, **(extra or {})}
    try:
        made = codec.tokenizer.apply_chat_template(list(messages), **how)
    except REFUSALS as error:
        raise _refused(messages, error) from error
    return [Token(i, bool(m)) for i, m in zip(made["input_ids"], made["assistant_masks"], strict=True)]


def assistant_spans(
    codec: Codec, messages: Sequence[Any], text: str, extra: Extra | None = None
) -> list[Span]:
    """Where in the rendered chat each assistant turn stands: from after its opening, through its end token."""
    spans: list[Span] = []
    end = end_text(codec)
    for k, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        opened = _opening(codec, messages[:k], text, extra)
        a, b = _content(codec, messages, k, text, extra)
        if a < b:
            start = opened if opened is not None and opened <= a else a
        elif opened is not None:  # a turn of tool calls has no content of its own
            start, b = opened, max(opened, text.find(end, opened) if end else len(text))
        else:
            raise UserError(
                f"turn {k} of the assistant is not in the rendered chat", fix="see its chat template"
            )
        rest = text[b:]
        space = len(rest) - len(rest.lstrip())
        closed = bool(end) and rest[space:].startswith(end)
        spans.append((start, b + space + len(end) if closed else b))
    return spans


def _opening(codec: Codec, before: Sequence[Any], text: str, extra: Extra | None) -> int | None:
    """Where the assistant begins to speak after the turns `before`, if the whole chat is written like that."""
    if not before:
        return None
    try:
        head = render(codec, before, ask=True, extra=extra)
    except UserError:
        return None
    return len(head) if text.startswith(head) else None


def _content(codec: Codec, messages: Sequence[Any], k: int, text: str, extra: Extra | None) -> Span:
    """Where the content of turn `k` stands: what changes in the text when it is changed."""
    content = messages[k]["content"] or ""
    bare = content.strip() or "?"
    mark = next(c for c in "§¤¶" if c not in (bare[0], bare[-1]))
    changed = [*messages[:k], {**messages[k], "content": f"{mark}truenorth{mark}"}, *messages[k + 1 :]]
    other = render(codec, changed, extra=extra)
    if other == text:
        return (0, 0)
    start = _common(text, other)
    rest, changed_rest = text[start:], other[start:]
    return start, len(text) - _common(rest[::-1], changed_rest[::-1])


def _common(a: str, b: str) -> int:
    """How many characters two texts begin with alike, found by halving."""
    low, high = 0, min(len(a), len(b))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if a[low:middle] == b[low:middle] else (low, middle - 1)
    return low


def tokens_of(codec: Codec, text: str, spans: Sequence[Span]) -> list[Token]:
    """The tokens of a text; those whose words stand in a span are trained.

    A token that begins with white space counts by what follows it: SentencePiece writes the space before a word
    into the word's token.
    """
    if not codec.tokenizer.is_fast:
        fix = "use its fast version, or a chat template with {% generation %}"
        raise UserError("this tokenizer does not say which characters a token covers", fix=fix)
    made = codec.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    tokens = []
    for i, (a, b) in zip(made["input_ids"], made["offset_mapping"]):
        piece = text[a:b]
        first = a + len(piece) - len(piece.lstrip()) if piece.strip() else a
        tokens.append(Token(i, a < b and any(start <= first < end for start, end in spans)))
    return tokens
