"""Prompts and completions to token ids and back, with a chat template or without one, never two BOS.

A chat goes through the model's template up to where the assistant speaks; plain text is continued as it is. A
chat given to a model without a template becomes plain text: the contents of its turns, joined by newlines. A
chat that ends with an assistant turn is continued inside that turn (a prefill).
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from jinja2.exceptions import TemplateError

from truenorth.base import UserError, without_halves
from truenorth.records import Message, Prompt, prompt_text

SENTINEL = "truenorth answers here"


class Pair(NamedTuple):
    """Token ids of a prompt and of its completion; concatenated they are what the model is trained on."""

    prompt: list[int]
    completion: list[int]


class TurnFormat(NamedTuple):
    """How a template writes an assistant turn."""

    opening: str  # what must follow a rendered prompt where the template has no generation prompt of its own
    end_id: int | None  # the token that ends a turn


@dataclass(frozen=True, eq=False)
class Codec:
    """A tokenizer with what must be known about it. `counts` says how often a chat had to be mended."""

    tokenizer: Any  # a transformers tokenizer
    turn: TurnFormat | None  # None: no chat template
    text_end_id: int | None  # ends a plain text; None: the tokenizer has no such token
    counts: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, tokenizer: Any, *, text_end_id: int | None = None) -> Codec:
        """Args: text_end_id: ends a plain text; default the tokenizer's EOS."""
        end = tokenizer.eos_token_id if text_end_id is None else text_end_id
        return cls(tokenizer, turn_format(tokenizer), end)

    def is_chat(self, prompt: Prompt) -> bool:
        """Does this prompt go through a chat template?"""
        return self.turn is not None and not isinstance(prompt, str)

    def end_id(self, prompt: Prompt) -> int | None:
        """The token that ends a completion of this prompt; None where the tokenizer knows none."""
        if self.turn is not None and not isinstance(prompt, str) and self.turn.end_id is not None:
            return self.turn.end_id
        return self.text_end_id

    def prompt_ids(self, prompts: Sequence[Prompt]) -> list[list[int]]:
        """Token ids of each prompt, as the model sees it just before it answers."""
        texts = [self._text(prompt) for prompt in prompts]
        chats = [i for i, prompt in enumerate(prompts) if self.is_chat(prompt)]
        plain = [i for i, prompt in enumerate(prompts) if not self.is_chat(prompt)]
        ids: list[list[int]] = [[]] * len(texts)
        for rows, special in ((chats, False), (plain, True)):
            for i, row in zip(rows, self._ids([texts[i] for i in rows], special=special)):
                ids[i] = row if not special else self._without_extras(texts[i], row)
        return ids

    def pairs(self, pairs: Sequence[tuple[Prompt, str]], *, end: bool | None = True) -> list[Pair]:
        """Token ids of prompts and completions; the prompt's are those of `prompt_ids`, always.

        Args:
            end: finish each completion with the token that ends a turn or text; None: turns only.
        """
        prompts = self._each_prompt([prompt for prompt, _ in pairs])
        separate = self._ids([completion for _, completion in pairs], special=False)
        made = []
        for (prompt, completion), prompt_ids, alone in zip(pairs, prompts, separate):
            chat = self.is_chat(prompt)
            ids = alone if chat else self._continuation(self._text(prompt), prompt_ids, completion, alone)
            closing = self.end_id(prompt) if end or (end is None and chat) else None
            made.append(Pair(prompt_ids, ids if closing is None else [*ids, closing]))
        return made

    def _each_prompt(self, prompts: Sequence[Prompt]) -> list[list[int]]:
        """`prompt_ids`, the same prompt several times in a row encoded once."""
        new = [i == 0 or prompt is not prompts[i - 1] for i, prompt in enumerate(prompts)]
        ids = iter(self.prompt_ids([prompt for prompt, first in zip(prompts, new) if first]))
        found: list[list[int]] = []
        for first in new:
            found.append(next(ids) if first else found[-1])
        return found

    def text(self, prompt: Prompt, prompt_ids: Sequence[int], ids: Sequence[int]) -> str:
        """The words of sampled `ids`. A continued text keeps the space between it and its prompt."""
        alone = self._decode(ids)
        if self.is_chat(prompt) or not prompt_ids:
            return alone
        before = self._decode(prompt_ids[-1:])
        both = self._decode([*prompt_ids[-1:], *ids])
        return both[len(before) :] if both.startswith(before) else alone

    def _decode(self, ids: Sequence[int]) -> str:
        return self.tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False)

    def _ids(self, texts: list[str], *, special: bool) -> list[list[int]]:
        if not texts:
            return []
        texts = [without_halves(text) for text in texts]
        # verbose: what is longer than the context is found by whoever needs it to fit.
        return self.tokenizer(texts, add_special_tokens=special, return_attention_mask=False, verbose=False)[
            "input_ids"
        ]

    def _without_extras(self, text: str, ids: list[int]) -> list[int]:
        """Without a second BOS (the text brought one itself) and without an EOS that the tokenizer added."""
        bos, eos = self.tokenizer.bos_token_id, self.tokenizer.eos_token_id
        if bos is not None and ids[:2] == [bos, bos]:
            ids = ids[1:]
        if (
            eos is not None
            and eos != bos
            and ids[-1:] == [eos]
            and not text.endswith(self.tokenizer.eos_token)
        ):
            ids = ids[:-1]
        return ids

    def _continuation(self, text: str, prompt_ids: list[int], completion: str, alone: list[int]) -> list[int]:
        """Ids of a text's continuation: those of the whole text where they begin with the prompt's."""
        whole = self._without_extras(text + completion, self._ids([text + completion], special=True)[0])
        if whole[: len(prompt_ids)] == prompt_ids:
            return whole[len(prompt_ids) :]
        # The boundary falls inside a token. A newline in front keeps a tokenizer from adding its own space.
        anchor, anchored = self._ids(["\n", "\n" + completion], special=False)
        return anchored[len(anchor) :] if anchored[: len(anchor)] == anchor else alone

    def _text(self, prompt: Prompt) -> str:
        if self.turn is None or isinstance(prompt, str):
            return prompt_text(prompt)
        messages = list(prompt)
        text, reason = _try_render(self.tokenizer, messages)
        systems = [m["content"].strip() for m in messages if m["role"] == "system"]
        if systems and (text is None or any(s not in text for s in systems)):
            self._count_folded()
            text, reason = _try_render(self.tokenizer, fold_system(messages))
        if text is None:
            raise UserError(
                f"the model's chat template refuses the turns {[m['role'] for m in messages]} ({reason})",
                fix="give it user and assistant turns in alternation, beginning with the user",
            )
        return text if messages[-1]["role"] == "assistant" else text + self.turn.opening

    def _count_folded(self) -> None:
        self.counts["system_turn_folded"] += 1
        if self.counts["system_turn_folded"] == 1:
            warnings.warn(
                "the model's chat template has no place for a system turn; "
                "its text is put before the first user turn",
                stacklevel=5,
            )


def fold_system(messages: Sequence[Message]) -> list[Message]:
    """The chat with its system turns written before the first user turn, for templates that have none."""
    system = "\n\n".join(m["content"] for m in messages if m["role"] == "system")
    rest: list[Message] = [m for m in messages if m["role"] != "system"]
    first = next((i for i, m in enumerate(rest) if m["role"] == "user"), None)
    if first is None:
        return [{"role": "user", "content": system}, *rest]
    rest[first] = {"role": "user", "content": f"{system}\n\n{rest[first]['content']}"}
    return rest


def turn_format(tokenizer: Any) -> TurnFormat | None:
    """Found by rendering: what opens an assistant turn, and which token ends it. None without a template."""
    if not tokenizer.chat_template:
        return None
    asked: list[Message] = [{"role": "user", "content": "Hello"}]
    prompt = _render(tokenizer, asked)
    answered = _render(tokenizer, [*asked, {"role": "assistant", "content": SENTINEL}], generation=False)
    before, found, after = answered.partition(SENTINEL)
    if not found:
        return TurnFormat("", None)
    has_own = prompt != _render(tokenizer, asked, generation=False)
    opening = before[len(prompt) :].rstrip(" ") if not has_own and before.startswith(prompt) else ""
    special = {*tokenizer.all_special_ids, *tokenizer.get_added_vocab().values()}
    ids = tokenizer(after, add_special_tokens=False)["input_ids"]
    return TurnFormat(opening, next((i for i in ids if i in special), None))


def _render(tokenizer: Any, messages: Sequence[Message], *, generation: bool = True) -> str:
    prefill = generation and messages[-1]["role"] == "assistant"
    return tokenizer.apply_chat_template(
        list(messages),
        tokenize=False,
        add_generation_prompt=generation and not prefill,
        continue_final_message=prefill,
    )


def _try_render(tokenizer: Any, messages: Sequence[Message]) -> tuple[str | None, str]:
    try:
        return _render(tokenizer, messages), ""
    except TemplateError as error:
        return None, str(error)
