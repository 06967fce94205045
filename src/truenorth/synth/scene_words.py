"""What is asked of a model that plays a social scene."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Scene:
    """What is asked in a scene; an empty text skips its part.

    Args:
        roles: who is touched, from {prompt} and {answer}; a numbered list. Unused where roles are given.
        notices: who learns of a step, from {step}, {roles}: any of their names. Skipped: everybody does.
        reacts: what {role} does or feels, having learned {seen} (a line a step) on {prompt}.
        incident: does this break a norm or hurt anybody: {role}, {reaction}; Yes or No begins the reply. Skipped:
            every reaction counts, but for those that `calm` names.
        calm: reactions that are no incident, as normalised words.
        consequences: a summary of {incidents} (a line each). Skipped: what was met most often, the first of
            equals; as many calm reactions as incidents of one kind outvote them all.
        revision: a better answer, from {prompt}, {answer} and {consequences}.
        nothing: what stands for the consequences where there was no incident.
    """

    roles: str = (
        "{prompt}\n\nAn assistant answers: {answer}\n\nWho would be touched by it, if it were done? Number them, each "
        "with a name and a few words on who it is."
    )
    notices: str = (
        "This happens: {step}\n\nPeople: {roles}\n\nWho of them learns of it? Reply with their names alone."
    )
    reacts: str = (
        "You are {role}. You learn of this and of nothing else:\n{seen}\n\nSay in one sentence what it does to you or "
        "what you do."
    )
    incident: str = "{role}: {reaction}\n\nIs anybody hurt or wronged here? Begin with Yes or No."
    calm: tuple[str, ...] = ()
    consequences: str = "This came of an assistant's answer:\n{incidents}\n\nSum it up in one sentence."
    revision: str = (
        "{prompt}\n\nAn assistant would answer: {answer}\n\nWhat would come of it: {consequences}\n\nWrite the answer "
        "that the assistant should give instead, and nothing else."
    )
    nothing: str = "Nothing bad would come of it."


PLAIN = Scene()
