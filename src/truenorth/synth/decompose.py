"""Hard questions in parts: a model names the parts, answers each, and joins the answers; what comes out is distilled.

Sources: Christiano et al. 2018, "Supervising strong learners by amplifying weak experts" (arXiv:1810.08575);
least-to-most prompting (Zhou et al. 2023, arXiv:2205.10625), where a part may build on the answers before it. Level
by level, so that every level is one batch.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from truenorth.base import UserError
from truenorth.judges._maths import final_answer
from truenorth.judges._prompts import replace_last_user
from truenorth.judges.logprob import dialogue
from truenorth.models.protocol import Model, Tick
from truenorth.records import Prompt, Row, Source, as_messages
from truenorth.synth.answers import as_answer
from truenorth.synth.asking import Said, gathered, part_seed, request, say
from truenorth.synth.filters import Filtered, row_prompt
from truenorth.synth.writing import ITEM, items

PARTS = "{prompt}\n\nWhich simpler questions have to be answered first? Number them, or reply with None."
JOIN = "{prompt}\n\nThis is known:\n{parts}\n\nNow answer the question."
EARLIER = re.compile(r"\{(\d+)\}")  # in a part: the answer to the part of this number
UNANSWERED = Said("", "blank")
Split = Callable[[str], Sequence[str]]
Ask = Callable[..., list[list[Said]]]


@dataclass
class Node:
    """A question, the row it comes from, the parts below it, and in the end its answer."""

    prompt: Prompt
    row: Row
    before: list[Node] = field(default_factory=list)  # the parts of the same question before it
    parts: list[Node] = field(default_factory=list)
    answer: Said = UNANSWERED

    def __post_init__(self) -> None:
        self.waits = bool(self.before) and EARLIER.search(dialogue(self.prompt)) is not None


def decomposed(
    model: Model,
    prompts: Sequence[Row],
    *,
    depth: int = 1,
    fan: int = 5,
    parts: str = PARTS,
    join: str = JOIN,
    split: Split | None = None,
    keep_parts: bool = False,
    max_tokens: int = 64,
    temperature: float = 1.0,
    seed: int = 0,
    tick: Tick | None = None,
) -> Filtered:
    """Rows (prompt, completion, parts): the answer to each prompt after its parts were answered, down to `depth`.

    At depth 0, or where the model names no parts, it is the model's own answer. Reasons: faults of the last answer,
    "part: " before the fault of a part that it rests on.

    Args:
        fan: parts of a question, at most.
        parts: asks for the parts, with {prompt}. A reply that is no list means that there are none. In a part, {1} is
            the final answer to the first one; such a part waits for those before it, and has no parts of its own.
        join: asks for the answer, with {prompt} and {parts} (a line each: question and answer); "" takes the answer
            to the last part.
        split: names the parts of a question by rule instead.
        keep_parts: the parts are rows of their own as well.

    Raises:
        UserError: a negative depth, or no fan.
    """
    if depth < 0 or fan < 1:
        raise UserError(f"depth {depth}, fan {fan}", where="decomposition", expected="depth >= 0, fan >= 1")
    ask = partial(say, model, max_tokens=max_tokens, temperature=temperature, tick=tick)
    levels = [[Node(row_prompt(row), row) for row in prompts]]
    for level in range(depth):
        whole = [node for node in levels[-1] if not node.waits]
        found = _parts(ask, whole, parts, split, fan, part_seed(seed, "parts", level))
        for node, texts in zip(whole, found, strict=True):
            for text in texts:
                node.parts.append(Node(as_messages(text), node.row, node.parts[:]))
        levels.append([part for node in whole for part in node.parts])
    for level, nodes in reversed(list(enumerate(levels))):
        _answer(ask, nodes, join, part_seed(seed, "answer", level))
    shown = [node for level in (levels if keep_parts else levels[:1]) for node in level]
    return gathered(_row(node, model, seed) for node in shown)


def _parts(
    ask: Ask, nodes: Sequence[Node], template: str, split: Split | None, fan: int, seed: int
) -> list[list[str]]:
    """The parts of each question; none where the reply is no list."""
    if split is not None:
        return [list(split(dialogue(node.prompt)))[:fan] for node in nodes]
    replies = ask([request(template, {"prompt": dialogue(node.prompt)}) for node in nodes], seed=seed)
    return [
        [part.text for part in items(one, fan) if not part.fault] if ITEM.search(one.text) else []
        for [one] in replies
    ]


def _answer(ask: Ask, nodes: Sequence[Node], join: str, seed: int) -> None:
    """Answer the questions of a level, those that wait for others after them."""
    waiting = sorted({len(node.before) for node in nodes if node.waits})
    waves = [[node for node in nodes if not node.waits]]
    waves += [[node for node in nodes if node.waits and len(node.before) == place] for place in waiting]
    for wave in waves:
        for node in wave:
            node.prompt = (
                replace_last_user(node.prompt, partial(_filled, node.before)) if node.waits else node.prompt
            )
        asked = [node for node in wave if not _broken(node) and (not node.parts or join)]
        replies = ask([_question(node, join) for node in asked], seed=seed)
        for node, [one] in zip(asked, replies, strict=True):
            node.answer = one
        for node in wave:
            if broken := _broken(node):
                node.answer = Said("", f"part: {broken.removeprefix('part: ')}")
            elif node.parts and not join:
                node.answer = node.parts[-1].answer


def _broken(node: Node) -> str:
    """The fault of a part that a question rests on, or of one that it waited for."""
    rests = [*node.parts, *(node.before if node.waits else [])]
    return next((one.answer.fault for one in rests if one.answer.fault), "")


def _filled(before: Sequence[Node], text: str) -> str:
    """A part with the answers to earlier ones; a number that no part before it has stays as it is."""

    def known(found: re.Match[str]) -> str:
        at = int(found[1]) - 1
        if not 0 <= at < len(before):
            return found[0]
        return final_answer(before[at].answer.text) or before[at].answer.text

    return EARLIER.sub(known, text)


def _question(node: Node, join: str) -> Prompt:
    """The question itself, or with the answers to its parts."""
    if not node.parts:
        return node.prompt
    lines = [f"{dialogue(part.prompt)} {part.answer.text}" for part in node.parts]
    return request(join, {"prompt": dialogue(node.prompt), "parts": "\n".join(lines)})


def _row(node: Node, model: Model, seed: int) -> Row | str:
    one = node.answer
    parts = [{"prompt": dialogue(part.prompt), "completion": part.answer.text} for part in node.parts]
    source = Source("decompose", "inductive_bias", model=model.name, seed=seed, parents=(node.row.id,))
    data = {"prompt": node.prompt, "completion": as_answer(node.prompt, one.text), "parts": parts}
    return one.fault or Row(data, source)
