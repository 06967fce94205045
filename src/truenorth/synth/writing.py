"""Have a model write prompts: as a numbered list it is asked for, or in the user's place of its own template.

The first way is that of Self-Instruct and what followed it, and works with any model that obeys. The second is
Magpie's with examples: earlier prompts stand as user turns before the one that the model writes. It needs a local
chat model, and works with models too small to be asked for a list.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from truenorth.base import UserError
from truenorth.models.protocol import Model, Tick
from truenorth.records import Message, Prompt, Row, Source
from truenorth.synth.asking import Said, gathered, request, say_apart
from truenorth.synth.filters import Filtered
from truenorth.synth.magpie import Opening, user_opening

Way = Literal["list", "turns"]
WAYS: tuple[Way, ...] = ("list", "turns")
ITEM = re.compile(r"^[ \t]*(?:\d{1,3}\s*[.):]|[-*•])[ \t]+(?=\S)", re.MULTILINE)


class Brief(NamedTuple):
    """What one request for prompts says, and what the prompts remember of it.

    about: who asks, or what for; a line of the request, or the system turn.
    shown: prompts as examples.
    begin: how a prompt begins, where the model writes in the user's place.
    parents, principle: as in `Source`. columns: of the prompts' rows.
    """

    about: str = ""
    shown: tuple[str, ...] = ()
    begin: str = ""
    parents: tuple[str, ...] = ()
    principle: str = ""
    columns: tuple[tuple[str, Any], ...] = ()


def write_prompts(
    model: Model,
    briefs: Sequence[Brief],
    n: int = 1,
    *,
    way: Way = "list",
    template: str,
    count: int = 1,
    max_tokens: int = 64,
    temperature: float = 1.0,
    top_p: float = 1.0,
    seed: int = 0,
    tick: Tick | None = None,
) -> list[list[Said]]:
    """What the model wrote to each brief, `n` replies each; a reply of the list way may hold several prompts.

    Args:
        way: "list" asks with `template` and reads a numbered list, or with `count` 1 a single line; "turns" lets
            the model go on in the user's place, and reads one prompt a reply.
        template: with {about}, {shown} (numbered) and {next}, the number that the list goes on with.
        count: prompts read of one reply, at most.

    Raises:
        UserError: another way, or turns asked of a model without a chat template.
    """
    if way not in WAYS:
        raise UserError(f"way {way!r}", where="writing prompts", expected=" or ".join(WAYS))
    settings: dict[str, Any] = {"max_tokens": max_tokens, "temperature": temperature, "top_p": top_p}
    settings |= {"seed": seed, "tick": tick}
    if way == "list":
        replies = say_apart(model, [_list(brief, template) for brief in briefs], n, **settings)
        return [[one for reply in group for one in items(reply, count)] for group in replies]
    openings = [_opening(model, brief) for brief in briefs]
    stop = sorted({opening.end for opening in openings} - {""})
    asked = [opening.prefix + brief.begin for opening, brief in zip(openings, briefs, strict=True)]
    return say_apart(model, asked, n, **settings, stop=stop, begins=[brief.begin for brief in briefs])


def prompts_from(
    model: Model,
    briefs: Sequence[Brief],
    n: int = 1,
    *,
    producer: str,
    constitution: str = "",
    seed: int = 0,
    **settings: Any,
) -> Filtered:
    """`write_prompts` as rows: chats of one user turn, with what their brief says of parents and columns.

    Reasons: the faults of a reply, "format" (no list where one was asked for), "repeated" (word for word).

    Args:
        settings: the others of `write_prompts`; `template` is compulsory.

    Raises:
        UserError: as `write_prompts`.
    """
    replies = write_prompts(model, briefs, n, seed=seed, **settings)

    def made(brief: Brief, one: Said) -> Row | str:
        about = Source(
            producer,
            "imitation",
            model=model.name,
            principle=brief.principle,
            constitution=constitution,
            seed=seed,
            parents=brief.parents,
            note=brief.about,
        )
        prompt = [{"role": "user", "content": one.text}]
        return one.fault or Row({"prompt": prompt, **dict(brief.columns)}, about)

    return gathered(made(brief, one) for brief, group in zip(briefs, replies, strict=True) for one in group)


def items(reply: Said, count: int) -> list[Said]:
    """The prompts of one reply: the items of a list, or the line that it is. A fault stands for one prompt.

    Of a list that was cut off the last item is the one with the fault.
    """
    if reply.fault not in ("", "cut off"):
        return [reply]
    starts = [m.end() for m in ITEM.finditer(reply.text)]
    if not starts:
        plain = count == 1 and "\n" not in reply.text
        return [reply._replace(text=reply.text.strip('"'), fault=reply.fault or ("" if plain else "format"))]
    ends = [*[m.start() for m in ITEM.finditer(reply.text)][1:], len(reply.text)]
    texts = [" ".join(reply.text[a:b].split()).strip('"') for a, b in zip(starts, ends, strict=True)]
    found = [Said(text, "" if text else "blank") for text in texts]
    if reply.fault:
        found[-1] = found[-1]._replace(fault=reply.fault)
    return found[:count]


def _list(brief: Brief, template: str) -> Prompt:
    shown = "\n".join(f"{i}. {' '.join(text.split())}" for i, text in enumerate(brief.shown, start=1))
    values = {"about": brief.about, "shown": shown, "next": str(len(brief.shown) + 1)}
    return request(template, values)


def _opening(model: Model, brief: Brief) -> Opening:
    """The template with the examples as user turns and the next one opened."""
    shown: list[Message] = [{"role": "user", "content": text} for text in brief.shown]
    return user_opening(getattr(model, "tokenizer", None), system=brief.about or None, before=shown)
