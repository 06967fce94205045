"""Which rows an objective can learn from: TRL's dataset types and the columns beside them, by what it declares."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from truenorth.base import UserError
from truenorth.learn.types import Needs
from truenorth.records.trl import explicit_prompt, kind_of, unpaired

Kind = Literal[
    "language_modeling", "prompt_completion", "preference", "unpaired_preference", "stepwise", "list"
]

COLUMNS: dict[Kind, str] = {
    "language_modeling": "messages (or text)",
    "prompt_completion": "prompt + completion",
    "preference": "chosen + rejected, and prompt where they do not begin with it",
    "unpaired_preference": "prompt + completion + label (true or false)",
    "stepwise": "prompt + completions + labels (a list of true and false)",
    "list": "prompt + completions (a list of answers), with scores where the objective asks for them",
}
ORDER: tuple[Kind, ...] = tuple(COLUMNS)
# Names that people's files have for the two halves of a column that is one number for each answer of a pair.
HALVES = (("{0}_chosen", "{0}_rejected"), ("chosen_{0}", "rejected_{0}"))


class Wanted(NamedTuple):
    """The kinds of rows that an objective takes, best first, and the columns beside them."""

    kinds: tuple[Kind, ...]
    columns: tuple[str, ...]  # required
    optional: tuple[str, ...]

    def __str__(self) -> str:
        more = f", and {' and '.join(self.columns)}" if self.columns else ""
        return " or ".join(f"{kind} ({COLUMNS[kind]})" for kind in self.kinds) + more


# Columns that are part of a kind of rows.
OWN: dict[Kind, tuple[str, ...]] = {
    "language_modeling": (),
    "prompt_completion": (),
    "preference": (),
    "unpaired_preference": ("label",),
    "stepwise": ("labels",),
    "list": ("scores",),
}


def wanted(needs: Needs) -> Wanted:
    """The rows for what an objective declares: pairs, labelled answers, scored lists, steps, or just answers."""
    columns, optional = needs.columns, needs.optional
    kinds = _kinds(needs.coupling, columns)
    own = {name for kind in kinds for name in OWN[kind]}
    return Wanted(
        kinds,
        tuple(c for c in columns if c not in optional and c not in own),
        tuple(c for c in columns if c in optional and c not in own),
    )


def _kinds(coupling: str, columns: Collection[str]) -> tuple[Kind, ...]:
    if coupling in ("pair", "score_pair", "state_pair") or (coupling == "batch" and not columns):
        return ("preference",)
    if coupling == "token_score" or "labels" in columns:
        return ("stepwise",)
    if "label" in columns:
        return ("unpaired_preference", "preference")
    if coupling == "group" or "scores" in columns:
        return ("list", "preference")
    return ("prompt_completion", "language_modeling")


def chosen_kind(
    rows: Sequence[Mapping[str, Any]], want: Wanted, *, where: str, text_field: str = "text"
) -> Kind:
    """The kind of rows that this data is, of those that are wanted.

    Raises:
        UserError: none of them, or a column beside them is missing: with what was found and what is needed.
    """
    columns = list(dict.fromkeys(name for row in rows[:1000] for name in row))
    found = _kind(columns, text_field)
    if found not in want.kinds:
        what = f"columns {', '.join(columns) or 'none'}" + (
            f" are {found} data" if found else " are no known data"
        )
        raise UserError(what, where=where, expected=str(want), fix=_way_out(found, want))
    for name in want.columns:
        if not any(name in columns or set(halves) <= set(columns) for halves in halves_of(name)):
            raise UserError(
                f"no column {name!r} (it has {', '.join(columns)})", where=where, expected=str(want)
            )
    return found


def _kind(columns: Collection[str], text_field: str) -> Kind | None:
    if {"prompt", "completions"} <= set(columns) and "labels" not in columns:
        return "list"
    if text_field in columns and not {"prompt", "chosen", "messages"} & set(columns):
        return "language_modeling"
    try:
        kind = kind_of(columns)
    except UserError:
        return None
    return None if kind == "prompt_only" else kind


def _way_out(found: Kind | None, want: Wanted) -> str:
    """What could be done with data of the wrong kind."""
    if found == "preference" and "prompt_completion" in want.kinds:
        return "pairs are learned by preference objectives (dpo); for sft rename chosen to completion"
    if found == "unpaired_preference" and "preference" in want.kinds:
        return "labelled answers are learned by kto and bco"
    if found in ("prompt_completion", "language_modeling"):
        return "answers without a comparison are learned by sft"
    return "rename the columns (see docs/training.md)"


def halves_of(name: str) -> list[tuple[str, str]]:
    """The names under which a column may come as two: `score_chosen` and `score_rejected` for `scores`."""
    stems = dict.fromkeys((name, name.removesuffix("s")))
    return [(a.format(stem), b.format(stem)) for stem in stems for a, b in HALVES]


def normalised(
    rows: Sequence[Mapping[str, Any]], kind: Kind, want: Wanted
) -> list[tuple[int, dict[str, Any]]]:
    """(row number, row) with the columns of the first wanted kind that this kind can be turned into.

    Pairs become two labelled answers where labels are wanted, and a list (scores 1 and 0) where lists are.
    """
    if kind != "preference":
        return [(i, dict(row)) for i, row in enumerate(rows)]
    if want.kinds[0] == "unpaired_preference":
        return [(i, one) for i, row in enumerate(rows) for one in unpaired(row)]
    full = [(i, explicit_prompt(row)) for i, row in enumerate(rows)]
    if want.kinds[0] == "list":
        return [(i, _listed(row)) for i, row in full]
    return full


def _listed(row: Mapping[str, Any]) -> dict[str, Any]:
    """A pair as a list, best first; with the gold answer that TRL's TPO has in `reference`, where there is one."""
    gold = [row["reference"]] if row.get("reference") else []
    answers = [row["chosen"], row["rejected"], *gold]
    return {**row, "completions": answers, **({} if gold else {"scores": [1.0, 0.0]})}
