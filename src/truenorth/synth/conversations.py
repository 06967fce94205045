"""Conversations between two models: one plays a person whom it reads about, the other answers; each turn is a row.

Sources: Ding et al. 2023, "UltraChat" (arXiv:2305.14233), a model in the user's place; experts and patients who play
one another in medical training data are the same with a profile a side.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Literal, NamedTuple

from truenorth.base import UserError
from truenorth.judges.logprob import dialogue
from truenorth.models.guidelines import with_guidance
from truenorth.models.protocol import Model, Tick
from truenorth.records import Message, Row, Source, as_messages
from truenorth.synth.asking import part_seed, request, say
from truenorth.synth.filters import Filtered, filtered, row_prompt

PERSON = (
    "You play a person who talks to an assistant. Who you are, which the assistant does not know: {persona}\n\n"
    "{talk}\n\nWrite what you say next, in your own words and nothing else; reply with END if you have what you need."
)
END = "END"


class Talk(NamedTuple):
    """A conversation so far."""

    opening: Row
    said: tuple[Message, ...]
    last: str  # id of the row of the last answer; of the opening before there is one

    @property
    def persona(self) -> str:
        return str(self.opening.data["persona"])

    def goes_on(self, role: Literal["user", "assistant"], text: str) -> Talk:
        turn: Message = {"role": role, "content": text}
        return self._replace(said=(*self.said, turn))

    def row_of(self, answer: str, turn: int, model: str, seed: int) -> Row:
        """An answer to all that was said before it."""
        source = Source("conversation", "imitation", model=model, seed=seed, parents=(self.last,))
        said: list[Message] = [{"role": "assistant", "content": answer}]
        columns = {"turn": turn, "persona": self.opening.data["persona"]}
        return Row({"prompt": list(self.said), "completion": said, **columns}, source)


def conversations(
    model: Model,
    rows: Sequence[Row],
    person: Model,
    *,
    turns: int = 3,
    context: str = "",
    template: str = PERSON,
    end: str = END,
    max_tokens: int = 64,
    temperature: float = 1.0,
    seed: int = 0,
    tick: Tick | None = None,
) -> Filtered:
    """Rows (prompt, completion, turn): what the model answered at each turn of up to `turns`, after all said before.

    A reply with a fault ends its conversation and is counted ("person: " before a person's fault); its turns so far
    stay.

    Args:
        rows: prompts that open the conversations, with a text column `persona`.
        person: plays the user; it may be the same model.
        context: what the answering model is told (an expert's role, say) and the rows do not show.
        template: with {persona} and {talk} (a line a turn).
        end: a person who says this is done.

    Raises:
        UserError: no turns, or a row without a persona.
    """
    if turns < 1 or any("persona" not in row.data for row in rows):
        raise UserError(f"{turns} turns, or a row without a persona", where="conversations")
    answer = partial(say, model, max_tokens=max_tokens, temperature=temperature)
    reply = partial(say, person, max_tokens=max_tokens, temperature=temperature)
    going = [Talk(row, tuple(as_messages(row_prompt(row))), row.id) for row in rows]
    made: list[Row] = []
    reasons: list[str] = []
    for turn in range(turns):
        asked = [with_guidance(list(talk.said), context) if context else list(talk.said) for talk in going]
        found = answer(asked, seed=part_seed(seed, "answer", turn), tick=tick)
        heard = []
        for talk, [one] in zip(going, found, strict=True):
            if one.fault:
                reasons.append(one.fault)
                continue
            made.append(talk.row_of(one.text, turn, model.name, seed))
            heard.append(talk.goes_on("assistant", one.text)._replace(last=made[-1].id))
        if turn == turns - 1:
            break
        values = [{"persona": talk.persona, "talk": dialogue(list(talk.said))} for talk in heard]
        found = reply([request(template, v) for v in values], seed=part_seed(seed, "person", turn))
        going = []
        for talk, [one] in zip(heard, found, strict=True):
            if one.fault:
                reasons.append(f"person: {one.fault}")
            elif one.text.strip(" .") != end:
                going.append(talk.goes_on("user", one.text))
    return filtered(made, reasons)
