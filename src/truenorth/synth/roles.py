"""Role-play by self-alignment: a model answers as somebody whose profile it reads, and the rows show the name alone.

Source: Lu et al. 2024, "Large language models are superpositions of all characters" (DITTO, arXiv:2401.12474),
section 3: questions of a role are answered with its profile at hand; a question that belongs to another role is
declined in character, with the contrast shown in the profile's stead.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from truenorth.base import UserError, seed_of
from truenorth.judges.logprob import fill
from truenorth.models.protocol import Model, Tick
from truenorth.records import Message, Row, Source
from truenorth.synth.asking import gathered, say
from truenorth.synth.filters import Filtered, last_turn

PLAY = "You are {name}. {profile} Answer as {name} would."
FOREIGN = (
    "You are {name}. {profile} Answer as {name} would. You have never heard of what you are asked now: say so, in "
    "your own way."
)
NAMED = "You are {name}."


def role_answers(
    model: Model,
    profiles: Sequence[Row],
    questions: Sequence[Row],
    *,
    play: str = PLAY,
    foreign: str = FOREIGN,
    named: str = NAMED,
    asks: str = "{prompt}",
    others: int = 1,
    max_tokens: int = 64,
    temperature: float = 1.0,
    seed: int = 0,
    tick: Tick | None = None,
) -> Filtered:
    """Rows (prompt, completion, role, own): each question asked of its own role and of `others` drawn by seed.

    Reasons: faults. `own` says whether the question belongs to the role; where it does not, the answer is a decline.

    Args:
        profiles: rows with `name` and `profile`.
        questions: prompts with a column `role`, the name of the profile they are about; one without is for every
            role. One with a column `document`, the part of the profile that it is about, is answered with that.
        play, foreign: system turns with {name} and {profile}, for own and for other roles' questions; "" is none.
        asks: the user's turn to an own question while the profile is at hand, with {prompt}, {name} and {profile}.
        named: the system turn that the row keeps.

    Raises:
        UserError: a question of a role without profile.
    """
    known = {str(row.data["name"]): row for row in profiles}
    unknown = [str(q.data["role"]) for q in questions if q.data.get("role") and q.data["role"] not in known]
    if unknown or not known:
        raise UserError(f"no profile of {unknown[0]!r}" if unknown else "no profiles", where="roles")
    asked: list[tuple[Row, Row, bool]] = []
    for q in questions:
        own = q.data.get("role")
        asked += [(q, row, True) for name, row in known.items() if own in (None, "", name)]
        foreigners = sorted((n for n in known if own and n != own), key=partial(seed_of, "role", seed, q.id))
        asked += [(q, known[name], False) for name in foreigners[:others]]
    told = [_chat(q, p, play, asks) if own else _chat(q, p, foreign) for q, p, own in asked]
    replies = say(model, told, max_tokens=max_tokens, temperature=temperature, seed=seed, tick=tick)
    made: list[Row | str] = []
    for (q, p, own), [one] in zip(asked, replies, strict=True):
        source = Source("role", "imitation", model=model.name, seed=seed, parents=(q.id, p.id))
        data = {"prompt": _chat(q, p, named), "completion": [{"role": "assistant", "content": one.text}]}
        made.append(one.fault or Row({**data, "role": str(p.data["name"]), "own": own}, source))
    return gathered(made)


def _chat(question: Row, profile: Row, system: str, asks: str = "{prompt}") -> list[Message]:
    """The question as a user's turn under a role."""
    own = profile.data["name"] == question.data.get("role") and question.data.get("document")
    values = {"name": str(profile.data["name"]), "profile": str(own or profile.data.get("profile", ""))}
    turns: list[Message] = [{"role": "system", "content": fill(system, values)}] if system else []
    return [*turns, {"role": "user", "content": fill(asks, values | {"prompt": last_turn(question)})}]
