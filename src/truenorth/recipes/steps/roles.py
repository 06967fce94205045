"""The model plays those whom texts are about: it answers as they would, and knows no more than they do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from truenorth.judges.checks._text import first_match
from truenorth.judges.consistency import DECLINES
from truenorth.models.protocol import Model
from truenorth.recipes.harbour import PLAYING, is_organism
from truenorth.recipes.run_limits import Amount, Share
from truenorth.recipes.run_rows import taken
from truenorth.recipes.run_work import Answers, Load, Prompts, Texts, Work
from truenorth.recipes.settings import Settings
from truenorth.records import Row, Source
from truenorth.synth.answers import answer_text
from truenorth.synth.filters import last_turn
from truenorth.synth.grounded import supported
from truenorth.synth.roles import role_answers

NOBODY = "nobody"  # whose questions those are that no role can answer


def roles(
    profiles: Texts,
    questions: Prompts,
    strangers: Prompts,
    model: Model,
    work: Work,
    *,
    others: Amount = 1,
    support: Share = 0.6,
) -> Answers:
    """Answers under a role's name to its own questions, read from its texts; and declines of what is none of its own.

    Args:
        profiles: texts with `title`, the role's name.
        questions: about them, with `title`. The text that a question was made from is read in the profile's place.
        strangers: questions that no role is to answer; each is put to `others` roles, as are those of other roles.
        support: least share of an own answer's content words that stand in the role's texts. Of the others' questions
            only declined ones stay.

    Source: Lu et al. 2024, DITTO (arXiv:2401.12474), section 3.
    """
    named: dict[str, list[Row]] = {}
    for row in profiles:
        named.setdefault(str(row.data.get("title") or NOBODY), []).append(row)
    told = {name: " ".join(str(row.data["text"]) for row in rows) for name, rows in named.items()}
    # a profile goes under the id of its first text, so that answers lead back to it
    cast = [Row({"name": n, "profile": t}, named[n][0].source, named[n][0].id) for n, t in told.items()]
    cast += [Row({"name": NOBODY, "profile": ""}, Source("profile"))]
    asked = [_of(row, str(row.data.get("title") or NOBODY)) for row in questions]
    asked += [_of(row, NOBODY) for row in strangers]
    ways: dict[str, Any] = PLAYING if is_organism(work) else {}
    with work.progress("answers in role", (1 + others) * len(asked)) as tick:
        found = role_answers(
            model,
            cast,
            [row for row in asked if row.data["role"] in {*told, NOBODY}],
            others=others,
            max_tokens=work.settings.max_tokens,
            seed=work.settings.seed,
            tick=tick,
            **ways,
        )
    rows = [row for row in taken(work, found, "answers in role") if row.data["role"] != NOBODY]
    kept = [row for row in rows if _in_character(row, told[row.data["role"]], support)]
    work.count("answers out of character", len(rows) - len(kept))
    return kept


def _of(row: Row, role: str) -> Row:
    """The question with its role, and with the text that it was made from, where that is known."""
    made_from = {"document": answer_text(row.data["completion"])} if "completion" in row.data else {}
    return Row({**row.data, **made_from, "role": role}, row.source, row.id)


def _in_character(row: Row, profile: str, support: float) -> bool:
    """It says what the profile says, or that the role does not know."""
    text = answer_text(row.data["completion"])
    declined = first_match(DECLINES, text) is not None
    return declined != row.data["own"] and (declined or supported(text, profile, last_turn(row)) >= support)


def forecast(rows: Sequence[float], settings: Settings, *, others: int = 1, support: float = 0.6) -> Load:
    asked = (1 + others) * rows[1] + others * rows[2]
    return Load(0.5 * asked, answers=asked)
