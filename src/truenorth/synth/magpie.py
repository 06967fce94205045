"""Prompts from the model itself: given its template up to the user's turn, a chat model writes that turn.

Source: Xu et al., "Magpie: Alignment Data Synthesis from Scratch by Prompting Aligned LLMs with Nothing"
(2024). Sampling at temperature 1 and top-p 1, as there; tagging and filtering are left to other filters.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from jinja2 import TemplateError

from truenorth.base import UserError
from truenorth.models.protocol import Model, Tick
from truenorth.records import Message, Row, Source
from truenorth.synth.filters import Filtered, filtered

MARK = "truenorth asks here"


class Opening(NamedTuple):
    """Where a user's turn stands in a template."""

    prefix: str
    end: str  # what ends the turn; "" if the template writes nothing after it


def user_opening(tokenizer: Any, *, system: str | None = None, before: Sequence[Message] = ()) -> Opening:
    """Found by rendering a marker as the user's turn, after a system turn and what was said `before`.

    Raises:
        UserError: the tokenizer has no chat template, or the template changes the user's words, or does not
            take these turns.
    """
    turns: list[Message] = [{"role": "system", "content": system}] if system is not None else []
    return _opening(tokenizer, [*turns, *before, {"role": "user", "content": MARK}])


def system_opening(tokenizer: Any) -> Opening:
    """Where the system turn stands, so that a model may write what it expects to be told.

    Raises:
        UserError: as `user_opening`; many templates take no system turn.
    """
    found = _opening(tokenizer, [{"role": "system", "content": MARK}, {"role": "user", "content": "?"}])
    end = user_opening(tokenizer).end  # the user's turn follows: what ends a turn is the part that both have
    return found._replace(end=end) if end and found.end.startswith(end) else found


def _opening(tokenizer: Any, turns: Sequence[Message]) -> Opening:
    """Where the marked turn stands."""
    if not getattr(tokenizer, "chat_template", None):
        what = "the model has no chat template, so it cannot ask its own questions"
        raise UserError(what, fix="give prompts with --prompts FILE")
    try:
        text = tokenizer.apply_chat_template(list(turns), tokenize=False, add_generation_prompt=False)
    except TemplateError as error:
        what = f"the chat template does not take these turns ({error})"
        raise UserError(what, fix="ask for prompts as a list") from error
    prefix, found, after = text.partition(MARK)
    if not found:
        raise UserError(
            "the chat template changes the words of a turn", fix="give prompts with --prompts FILE"
        )
    return Opening(prefix, after.strip().split("\n")[0])


def magpie(
    model: Model,
    n: int,
    *,
    seed: int = 0,
    temperature: float = 1.0,
    top_p: float = 1.0,
    max_tokens: int = 64,
    system: str | None = None,
    opening: Opening | None = None,
    begin: str = "",
    keep_system: bool = False,
    tick: Tick | None = None,
) -> Filtered:
    """`n` user turns as chat prompts, those left out that never ended or are blank.

    Reasons: "blank", "cut off" (no end within `max_tokens`), "error".

    Args:
        model: a chat model with `.tokenizer`, or any model with an `opening`.
        system: a system turn put before; it steers what is asked about.
        begin: how every user turn begins ("I think that"); it steers what is asked, and stands in the prompts.
        keep_system: keep that turn in the prompts.
    """
    start = opening or user_opening(getattr(model, "tokenizer", None), system=system)
    stop = (start.end,) if start.end else ()
    [drawn] = model.sample(
        [start.prefix + begin],
        n,
        max_tokens=max_tokens,
        temperature=temperature,
        top_p=top_p,
        seed=seed,
        stop=stop,
        tick=tick,
    )
    rows, reasons = [], []
    for i, one in enumerate(drawn):
        said = one.text.split(start.end)[0] if start.end else one.text
        if one.finish == "error":
            reasons.append("error")
        elif one.finish == "length":
            reasons.append("cut off")
        elif not said.strip():
            reasons.append("blank")
        else:
            turns = [{"role": "system", "content": system}] if keep_system and system is not None else []
            turns.append({"role": "user", "content": (begin + said).strip()})
            source = Source(
                "magpie", model=model.name, seed=seed, note=f"draw {i}, temperature {temperature}"
            )
            rows.append(Row({"prompt": turns}, source))
    return filtered(rows, reasons)
