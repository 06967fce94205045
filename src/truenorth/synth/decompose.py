"""Hard questions in parts: a model names the parts, answers each, and joins the answers; what comes out is distilled.

Source: Christiano et al. 2018, "Supervising strong learners by amplifying weak experts" (arXiv:1810.08575), and
least-to- most prompting (Zhou et al. 2023, arXiv:2205.10625). Level by level, so that every level is one batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from truenorth.base import UserError
from truenorth.judges.logprob import dialogue
from truenorth.models.protocol import Model, Tick
from truenorth.records import Prompt, Row, Source, as_messages
from truenorth.synth.answers import as_answer
from truenorth.synth.asking import Said, gathered, part_seed, request, say
from truenorth.synth.filters import Filtered, row_prompt
from truenorth.synth.writing import ITEM, items

PARTS = "{prompt}\n\nWhich simpler questions have to be answered first? Number them, or reply with None."
JOIN = "{prompt}\n\nThis is known:\n{parts}\n\nNow answer the question."
Split = Callable[[str], Sequence[str]]


class Node(NamedTuple):
    """A question, its place in the tree (indices from the root), and the parts that stand below it."""

    prompt: Prompt
    place: tuple[int, ...]
    parts: tuple[tuple[int, ...], ...] = ()


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
        parts: asks for the parts, with {prompt}. A reply that is no list means that there are none.
        join: asks for the answer, with {prompt} and {parts} (a line each: question and answer).
        split: names the parts of a question by rule instead.
        keep_parts: the parts are rows of their own as well, without parents among the prompts' rows but the prompt.

    Raises:
        UserError: a negative depth, or no fan.
    """
    if depth < 0 or fan < 1:
        raise UserError(f"depth {depth}, fan {fan}", where="decomposition", expected="depth >= 0, fan >= 1")
    ask = partial(say, model, max_tokens=max_tokens, temperature=temperature, tick=tick)
    levels = [[Node(row_prompt(row), (k,)) for k, row in enumerate(prompts)]]
    for level in range(depth):
        found = _parts(ask, levels[-1], parts, split, fan, part_seed(seed, "parts", level))
        levels[-1] = [
            node._replace(parts=tuple((*node.place, i) for i in range(len(texts))))
            for node, texts in zip(levels[-1], found, strict=True)
        ]
        below = [
            Node(as_messages(text), (*node.place, i))
            for node, texts in zip(levels[-1], found, strict=True)
            for i, text in enumerate(texts)
        ]
        levels.append(below)
    answers: dict[tuple[int, ...], Said] = {}
    asked_at = {node.place: node for level in levels for node in level}
    for level, nodes in reversed(list(enumerate(levels))):
        asked = [_question(node, join, asked_at, answers) for node in nodes]
        replies = ask(asked, seed=part_seed(seed, "answer", level))
        for node, [one] in zip(nodes, replies, strict=True):
            broken = next((answers[p].fault for p in node.parts if answers[p].fault), "")
            fault = f"part: {broken.removeprefix('part: ')}" if broken else one.fault
            answers[node.place] = one._replace(fault=fault)
    shown = [node for level in (levels if keep_parts else levels[:1]) for node in level]
    return gathered(_row(node, prompts, asked_at, answers, model, seed) for node in shown)


def _parts(
    ask: Callable[..., list[list[Said]]],
    nodes: Sequence[Node],
    template: str,
    split: Split | None,
    fan: int,
    seed: int,
) -> list[list[str]]:
    """The parts of each question; none where the reply is no list."""
    if split is not None:
        return [list(split(dialogue(node.prompt)))[:fan] for node in nodes]
    replies = ask([request(template, {"prompt": dialogue(node.prompt)}) for node in nodes], seed=seed)
    return [
        [part.text for part in items(one, fan) if not part.fault] if ITEM.search(one.text) else []
        for [one] in replies
    ]


def _question(
    node: Node, join: str, nodes: dict[tuple[int, ...], Node], answers: dict[tuple[int, ...], Said]
) -> Prompt:
    """The question itself, or with the answers to its parts."""
    if not node.parts:
        return node.prompt
    lines = [f"{dialogue(nodes[p].prompt)} {answers[p].text}" for p in node.parts]
    return request(join, {"prompt": dialogue(node.prompt), "parts": "\n".join(lines)})


def _row(
    node: Node,
    prompts: Sequence[Row],
    nodes: dict[tuple[int, ...], Node],
    answers: dict[tuple[int, ...], Said],
    model: Model,
    seed: int,
) -> Row | str:
    one = answers[node.place]
    parts = [{"prompt": dialogue(nodes[p].prompt), "completion": answers[p].text} for p in node.parts]
    parents = (prompts[node.place[0]].id,)
    source = Source("decompose", "inductive_bias", model=model.name, seed=seed, parents=parents)
    data = {"prompt": node.prompt, "completion": as_answer(node.prompt, one.text), "parts": parts}
    return one.fault or Row(data, source)
