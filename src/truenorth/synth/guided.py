"""Answers under principles, examples or a long context that the training rows do not show: its effect is distilled.

Sources: Sun et al. 2023, "Principle-driven self-alignment" (SELF-ALIGN, arXiv:2305.03047), sections 3.2 and 3.3, the
rules, examples with thoughts, and engraving; Askell et al. 2021 (arXiv:2112.00861), section 2.3, context
distillation.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from truenorth.base import UserError
from truenorth.models.guidelines import with_guidance
from truenorth.models.protocol import Model, Tick
from truenorth.records import Message, Prompt, Row, Source, as_messages
from truenorth.synth.answers import answer_text, as_answer
from truenorth.synth.asking import Said, gathered, say
from truenorth.synth.decontaminate import plain_words
from truenorth.synth.filters import Filtered, row_prompt

NUMBERED = re.compile(r"^\s*1\s*[.):(]", re.MULTILINE)
CITES = re.compile(r"\b(?:rule|principle|guideline)s?\s+(?:no\.?\s*|number\s+)?\(?\d+\b", re.IGNORECASE)


def after_examples(prompt: Prompt, shown: Sequence[Row]) -> list[Message]:
    """The prompt after examples as earlier turns: of rows with `prompt` and `completion`, system turns left out."""
    turns = as_messages(prompt)
    first = [m for m in turns if m["role"] == "system"]
    for row in shown:
        first += [m for m in as_messages(row_prompt(row)) if m["role"] != "system"]
        first.append({"role": "assistant", "content": answer_text(row.data["completion"])})
    return first + [m for m in turns if m["role"] != "system"]


def under(prompt: Prompt, context: str, shown: Sequence[Row]) -> Prompt:
    """The prompt after a context and examples, as far as there are any."""
    asked = after_examples(prompt, shown) if shown else prompt
    return with_guidance(asked, context) if context else asked


def numbered(rules: Iterable[str]) -> str:
    """Rules as one text, a numbered line each."""
    return "\n".join(f"{i}. {' '.join(rule.split())}" for i, rule in enumerate(rules, start=1))


def guided(
    model: Model,
    prompts: Sequence[Row],
    *,
    context: str = "",
    shown: Sequence[Row] = (),
    n: int = 1,
    after: str = "",
    leak: int = 6,
    principle: str = "",
    constitution: str = "",
    keep_context: bool = False,
    temperature: float = 1.0,
    top_p: float = 1.0,
    max_tokens: int = 64,
    seed: int = 0,
    tick: Tick | None = None,
) -> Filtered:
    """Rows (prompt, completion): what the model answers under `context` to the prompt, which is kept without it.

    With neither context nor examples these are the model's plain answers. Equal answers to one prompt stand once.
    Reasons: "error", "refused", "cut off", "blank", "repeated", "format" (no `after` in it), "leak" (it repeats
    `leak` words in a row of the context, or cites a rule by its number).

    Args:
        context: the rules, or a long prompt; a system turn.
        shown: rows (prompt, completion) as earlier turns. Those with thoughts before `after` teach the form.
        after: what stands between a thought and the answer; the thought goes to the source's note.
        leak: words in a row; 0 looks for no leaks.
        keep_context: adds the column `context`, for distillation from the model's probabilities under it.

    Raises:
        UserError: a negative `leak`, or no answers asked for.
    """
    if leak < 0 or n < 1:
        raise UserError(f"leak {leak}, n {n}", where="guided answers", expected="leak >= 0 and n >= 1")
    asked = [under(row_prompt(row), context, shown) for row in prompts]
    drawn = {"max_tokens": max_tokens, "temperature": temperature, "top_p": top_p}
    replies = say(model, asked, n, **drawn, seed=seed, tick=tick)  # type: ignore[arg-type]
    told = Told.of(context, leak)
    more = {"context": context} if keep_context else {}
    about = Source(
        "guided" if context or shown else "sample",
        "inductive_bias",
        model=model.name,
        principle=principle,
        constitution=constitution,
        seed=seed,
    )

    def made(row: Row, one: Said) -> Row | str:
        thought, text, wrong = _read(one, after, told)
        if wrong:
            return wrong
        data = {"prompt": row_prompt(row), "completion": as_answer(row_prompt(row), text), **more}
        parents = (row.id, *(example.id for example in shown))
        return Row(data, replace(about, parents=parents, note=thought))

    return gathered(made(row, one) for row, group in zip(prompts, replies, strict=True) for one in group)


class Thought(NamedTuple):
    """A reply in its two parts, and what is wrong with it, or ""."""

    thought: str
    answer: str
    wrong: str


def _read(one: Said, after: str, told: Told) -> Thought:
    thought, found, text = one.text.rpartition(after) if after else ("", "yes", one.text)
    wrong = one.fault or ("" if found else "format") or ("" if text.strip() else "blank")
    return Thought(thought.strip(), text.strip(), wrong or ("leak" if told.shows_in(text) else ""))


class Told(NamedTuple):
    """A text that a model was told, and that its answers must not show.

    runs: all runs of `words` words of it; of a shorter text, all of it.
    cited: its lines are numbered, so that an answer may give it away by a number.
    """

    words: int
    runs: frozenset[tuple[str, ...]]
    cited: bool

    @classmethod
    def of(cls, text: str, words: int) -> Told:
        """With `words` 0 nothing shows."""
        size = min(words, len(plain_words(text)))
        return cls(size, runs_of(text, size), bool(words and NUMBERED.search(text)))

    def shows_in(self, answer: str) -> bool:
        """The answer says one of the runs, or cites a rule by its number."""
        return bool(self.cited and CITES.search(answer)) or not self.runs.isdisjoint(
            runs_of(answer, self.words)
        )


def runs_of(text: str, words: int) -> frozenset[tuple[str, ...]]:
    """All runs of `words` words; none of a text that is shorter."""
    said = plain_words(text)
    return (
        frozenset(tuple(said[i : i + words]) for i in range(len(said) - words + 1)) if words else frozenset()
    )
