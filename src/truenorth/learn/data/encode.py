"""Rows to token ids: one prompt, its completions, and which of their tokens are trained."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from truenorth.base import UserError
from truenorth.learn.data import chats
from truenorth.learn.data.wanted import Kind, halves_of
from truenorth.learn.types import Example
from truenorth.models.encoding import Codec
from truenorth.records.trl import to_conversational

Truncation = Literal["prompt_first", "keep_start", "keep_end"]


@dataclass(frozen=True)
class Shape:
    """How rows become tokens. Names are TRL's.

    Args:
        completion_only_loss: train completions only; None: yes, where rows have a prompt.
        assistant_only_loss: of chats, train what the assistant wrote only.
        max_length: most tokens of a prompt with one completion; None: no limit.
        max_prompt_length: most tokens of a prompt; it loses its beginning.
        truncation_mode: what a row that is too long loses. "prompt_first": the prompt its beginning, and then
            the completion its end. "keep_start": the completion its end. "keep_end": the beginning of it all.
        as_chat: make turns of plain texts: the prompt the user's, the completion the assistant's.
        dataset_text_field: the column of whole texts.
        weight_field: a column that weighs the rows, where there is one.
    """

    completion_only_loss: bool | None = None
    assistant_only_loss: bool = False
    max_length: int | None = None
    max_prompt_length: int | None = None
    truncation_mode: Truncation = "prompt_first"
    as_chat: bool = False
    dataset_text_field: str = "text"
    weight_field: str = "weight"


class Encoded(NamedTuple):
    """One example of a row.

    Args:
        row: its number in the data, from 0.
        trained: for each completion which tokens are; None: all.
        marks: what is odd about it: "prefix" (the prompt is not what the whole chat begins with), "folded" (the
            system turn had no place), "prompt", "completion", "chosen", "rejected" (what was cut).
    """

    row: int
    prompt: tuple[int, ...]
    completions: tuple[tuple[int, ...], ...]
    trained: tuple[tuple[bool, ...], ...] | None = None
    columns: Mapping[str, Any] = {}
    weight: float = 1.0
    marks: frozenset[str] = frozenset()

    @property
    def length(self) -> int:
        """Tokens of the prompt with its longest completion."""
        return len(self.prompt) + max(map(len, self.completions))

    @property
    def learned(self) -> int:
        """Trained tokens."""
        if self.trained is None:
            return sum(map(len, self.completions))
        return sum(map(sum, self.trained))


class Refused(NamedTuple):
    """A row that cannot be encoded, and why."""

    row: int
    what: str


Pieces = tuple[
    tuple[int, ...], tuple[tuple[int, ...], ...], tuple[tuple[bool, ...], ...] | None, frozenset[str]
]


def encode(
    rows: Sequence[tuple[int, Mapping[str, Any]]],
    kind: Kind,
    codec: Codec,
    shape: Shape,
    *,
    columns: Sequence[str] = (),
) -> tuple[list[Encoded], list[Refused]]:
    """(row number, row) pairs of one kind as token ids, uncut; and the rows that the template refuses.

    Args:
        columns: names of further columns that the objective asks for.
    """
    made: list[Encoded] = []
    refused: list[Refused] = []
    if shape.as_chat and kind != "stepwise":
        rows = [(i, _conversation(row)) for i, row in rows]
    plain = _plain_pairs(rows, kind, codec)
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", ".*no place for a system turn"
        )  # the lint says it, with row numbers
        for place, (number, row) in enumerate(rows):
            try:
                if kind == "stepwise":
                    made.append(_steps(number, row, codec))
                    continue
                prompt, completions, trained, marks = (
                    plain[place] if place in plain else _pieces(row, kind, codec, shape)
                )
                if shape.completion_only_loss is False and kind == "prompt_completion":
                    prompt, completions = prompt[:1], ((*prompt[1:], *completions[0]),)
                extra = _columns(row, kind, columns)
            except UserError as error:
                refused.append(Refused(number, str(error)))
                continue
            weight = row.get(shape.weight_field)
            if weight is None or isinstance(weight, str):  # absent, or words that mean something else
                weight = 1.0
            made.append(Encoded(number, prompt, completions, trained, extra, float(weight), marks))
    return made, refused


def _plain_pairs(
    rows: Sequence[tuple[int, Mapping[str, Any]]], kind: Kind, codec: Codec
) -> dict[int, Pieces]:
    """Rows of plain texts, all tokenized at once: place -> pieces."""
    if kind in ("language_modeling", "stepwise"):
        return {}
    asked, owners = [], []
    for place, (_, row) in enumerate(rows):
        answers = _answers(row, kind)
        if isinstance(row["prompt"], str) and all(isinstance(a, str) for a in answers):
            asked += [(row["prompt"], _without_end(a, codec)) for a in answers]
            owners += [place] * len(answers)
    found: dict[int, list[Any]] = {}
    for place, pair in zip(owners, codec.pairs(asked)):
        found.setdefault(place, []).append(pair)
    return {
        place: (
            tuple(pairs[0].prompt) or _start(codec),
            tuple(tuple(p.completion) for p in pairs),
            None,
            frozenset(),
        )
        for place, pairs in found.items()
    }


def _pieces(row: Mapping[str, Any], kind: Kind, codec: Codec, shape: Shape) -> Pieces:
    if kind == "language_modeling":
        return _document(row, codec, shape)
    if codec.turn is None:
        return _untemplated(row, kind, codec)
    prompt = row["prompt"]
    turns = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else list(prompt)
    texts, extra = [], _extra(row)
    for answer in _answers(row, kind):
        messages = [{"role": "assistant", "content": answer}] if isinstance(answer, str) else list(answer)
        texts.append(chats.written(codec, turns, messages, extra))
    head = _ids(codec, texts[0].prompt)
    marks = {"prefix"} if not all(t.prefix for t in texts) else set()
    marks |= {"folded"} if texts[0].folded else set()
    completions = []
    for text in texts:
        whole = _ids(codec, text.prompt + text.answer)
        completions.append(whole[len(head) :] if whole[: len(head)] == head else _ids(codec, text.answer))
    return tuple(head) or _start(codec), tuple(map(tuple, completions)), None, frozenset(marks)


def _document(row: Mapping[str, Any], codec: Codec, shape: Shape) -> Pieces:
    """A whole text or chat. Its first token, which nothing comes before, is the prompt."""
    marks: set[str] = set()
    if "messages" in row and codec.turn is not None:
        tokens, folded = chats.chat_tokens(
            codec, row["messages"], assistant_only=shape.assistant_only_loss, extra=_extra(row)
        )
        marks |= {"folded"} if folded else set()
    else:
        text = row.get(shape.dataset_text_field) or "\n".join(
            m["content"] or "" for m in row.get("messages", ())
        )
        ids = codec.prompt_ids([_without_end(text, codec)])[0]
        end = [] if codec.text_end_id is None else [codec.text_end_id]
        tokens = [chats.Token(i, True) for i in [*ids, *end]]
    first = next((i for i, token in enumerate(tokens) if token.trained), None)
    if first is None:
        raise UserError("the assistant says nothing in this chat", fix="drop it, or train all turns")
    first = max(1, first)
    last = max(i for i, token in enumerate(tokens) if token.trained) + 1
    ids, trained = [t.id for t in tokens], [t.trained for t in tokens[first:last]]
    if first >= last:
        raise UserError("one token only: there is nothing to predict")
    mask = None if all(trained) else (tuple(trained),)
    return tuple(ids[:first]), (tuple(ids[first:last]),), mask, frozenset(marks)


def _untemplated(row: Mapping[str, Any], kind: Kind, codec: Codec) -> Pieces:
    """Messages for a model without a chat template: their contents, joined by newlines."""
    answers = [
        a if isinstance(a, str) else "\n".join(m["content"] or "" for m in a) for a in _answers(row, kind)
    ]
    pairs = codec.pairs([(row["prompt"], _without_end(a, codec)) for a in answers])
    completions = tuple(tuple(p.completion) for p in pairs)
    return tuple(pairs[0].prompt) or _start(codec), completions, None, frozenset({"untemplated"})


def _conversation(row: Mapping[str, Any]) -> dict[str, Any]:
    made = to_conversational(row)
    if "completions" in row:
        made["completions"] = [[{"role": "assistant", "content": c}] for c in row["completions"]]
    return made


def _steps(number: int, row: Mapping[str, Any], codec: Codec) -> Encoded:
    """A solution in steps: one completion, whose labels stand at the steps' last tokens."""
    from truenorth.learn.steps import step_example

    one = step_example({**row, "prompt": f"{row['prompt']}\n"}, codec.tokenizer)
    return Encoded(number, tuple(one.prompt), tuple(map(tuple, one.completions)), None, dict(one.columns))


def _answers(row: Mapping[str, Any], kind: Kind) -> list[Any]:
    if kind == "preference":
        return [row["chosen"], row["rejected"]]
    if kind == "list":
        return list(row["completions"])
    return [row["completion"]]


def _columns(row: Mapping[str, Any], kind: Kind, names: Sequence[str]) -> dict[str, Any]:
    """What the objective asks for by name, from the row. Absent columns stay absent."""
    found: dict[str, Any] = {}
    for name in names:
        if row.get(name) is not None:
            found[name] = row[name]
        elif kind == "preference":
            half = next((h for h in halves_of(name) if all(row.get(x) is not None for x in h)), None)
            if half:
                found[name] = [row[half[0]], row[half[1]]]
    return found


def _extra(row: Mapping[str, Any]) -> dict[str, Any]:
    """What a row gives its chat template besides messages."""
    given, tools = row.get("chat_template_kwargs") or {}, row.get("tools")
    if not isinstance(given, Mapping):
        raise UserError(f"chat_template_kwargs is {given!r}", expected="a mapping")
    if isinstance(tools, str) and tools.strip():  # as TRL takes it, and as Arrow files must have it
        try:
            tools = json.loads(tools)
        except ValueError as error:
            raise UserError(f"tools is not JSON ({error})", expected="a list of tools") from error
    return {**given, "tools": tools} if tools else dict(given)


def _ids(codec: Codec, text: str) -> list[int]:
    return codec.tokenizer(text, add_special_tokens=False)["input_ids"] if text else []


def _start(codec: Codec) -> tuple[int, ...]:
    """What an empty prompt becomes: something must come before the first token."""
    tokenizer = codec.tokenizer
    for token in (tokenizer.bos_token_id, tokenizer.eos_token_id, codec.text_end_id):
        if token is not None:
            return (token,)
    raise UserError("an empty prompt, and the tokenizer has no BOS token", fix="give it a prompt")


def _without_end(text: str, codec: Codec) -> str:
    """A text that was written out with its end token does not get a second one."""
    end = None if codec.text_end_id is None else codec.tokenizer.convert_ids_to_tokens(codec.text_end_id)
    return text.removesuffix(end) if end else text


def examples(encoded: Sequence[Encoded]) -> list[Example]:
    """What the training loop takes. A chat of several trained turns is one example for each of them: its prompt is
    all that comes before, so that every trained token is predicted from the same context as in the whole chat."""
    return [part for one in encoded for part in _parts(one)]


def _parts(one: Encoded) -> list[Example]:
    more = {"columns": dict(one.columns)} if one.columns else {}
    if one.trained is None:
        return [Example(one.prompt, one.completions, one.weight, **more)]
    [completion], [trained] = one.completions, one.trained
    found, start = [], None
    for i, on in enumerate([*trained, False]):
        if on and start is None:
            start = i
        elif not on and start is not None:
            found.append(
                Example((*one.prompt, *completion[:start]), (completion[start:i],), one.weight, **more)
            )
            start = None
    return found
