"""Data made ready for an objective: read as its kind, encoded, cut to length, linted. No weights are loaded."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from truenorth.base import UserError
from truenorth.learn.data.encode import Encoded, Refused, Shape, encode
from truenorth.learn.data.truncate import truncate
from truenorth.learn.data.values import typed, wrong_values
from truenorth.learn.data.wanted import Kind, Wanted, chosen_kind, normalised
from truenorth.models.encoding import Codec
from truenorth.records.trl import RowError, check_rows, wrong_value


class Prepared(NamedTuple):
    """Rows and what they became.

    Args:
        kind: of the rows as they are in the file.
        rows: as they are in the file.
        encoded: what is left to learn from, in order; one row may give two (a pair as two labelled answers).
        errors: rows that are not data of this kind.
        refused: rows that could not be written out for the model.
        dropped: numbers of rows of which the length limit leaves nothing to learn.
        bos: the id that prompts begin with, where they do.
        left: rows that were left out on request; they stand in `rows` still, so that the others keep their numbers.
    """

    where: str
    kind: Kind
    want: Wanted
    rows: Sequence[Mapping[str, Any]]
    encoded: tuple[Encoded, ...]
    errors: tuple[RowError, ...]
    refused: tuple[Refused, ...]
    dropped: tuple[int, ...]
    shape: Shape
    codec: Codec
    bos: int | None
    left: frozenset[int] = frozenset()

    @property
    def broken(self) -> frozenset[int]:
        """The rows of which nothing can be said but that they are wrong."""
        return self.left | {error.row for error in self.errors}

    def marked(self, mark: str) -> tuple[int, ...]:
        """The rows with this mark."""
        return tuple(dict.fromkeys(one.row for one in self.encoded if mark in one.marks))

    def without(self, rows: Collection[int]) -> Prepared:
        """The same without some rows; the others keep their numbers."""
        return self._replace(
            encoded=tuple(e for e in self.encoded if e.row not in rows),
            errors=tuple(e for e in self.errors if e.row not in rows),
            refused=tuple(e for e in self.refused if e.row not in rows),
            left=self.left | frozenset(rows),
        )


def prepare(
    rows: Sequence[Mapping[str, Any]], want: Wanted, codec: Codec, shape: Shape, *, where: str
) -> Prepared:
    """Read rows as what an objective wants, and encode all that are sound.

    Raises:
        UserError: the columns are of another kind of data, or there is no row.
    """
    if not rows:
        raise UserError("no rows", where=where, expected=str(want))
    if shape.dataset_text_field != "text" and shape.dataset_text_field in rows[0]:
        rows = [{**row, "text": row.get(shape.dataset_text_field)} for row in rows]
    kind = chosen_kind(rows, want, where=where)
    rows = [typed(row, kind, want, shape.weight_field) for row in rows]
    errors = _errors(rows, kind)
    known = {error.row for error in errors}
    errors += [
        error
        for i, row in enumerate(rows)
        if i not in known
        for error in wrong_values(i, row, kind, want, shape.weight_field)
    ]
    bad = {error.row for error in errors}
    sound = [(i, row) for i, row in enumerate(rows) if i not in bad]
    pairs = normalised([row for _, row in sound], kind, want)
    numbered = [(sound[i][0], row) for i, row in pairs]
    now: Kind = want.kinds[0] if kind == "preference" else kind
    names = [*want.columns, *want.optional, *({"label", "labels", "scores"} & _asked(now))]
    made, refused = encode(numbered, now, codec, shape, columns=names)
    bos = first_bos(codec)
    fitted = [(one, truncate(one, shape, bos=bos)) for one in made]
    dropped = tuple(dict.fromkeys(one.row for one, kept in fitted if kept is None))
    encoded = tuple(kept for _, kept in fitted if kept is not None)
    return Prepared(
        where, kind, want, rows, encoded, tuple(errors), tuple(refused), dropped, shape, codec, bos
    )


def _asked(kind: Kind) -> set[str]:
    return {"unpaired_preference": {"label"}, "stepwise": {"labels"}, "list": {"scores"}}.get(kind, set())


def _errors(rows: Sequence[Mapping[str, Any]], kind: Kind) -> list[RowError]:
    if kind == "list":
        scored = any("scores" in row for row in rows)
        return [error for i, row in enumerate(rows) for error in _list_errors(i, row, scored)]
    return check_rows(rows, kind)


def _list_errors(i: int, row: Mapping[str, Any], scored: bool) -> list[RowError]:
    answers, scores = row.get("completions"), row.get("scores")
    if not row.get("prompt"):
        return [RowError(i, "prompt", "missing")]
    if what := wrong_value("prompt", row["prompt"]):
        return [RowError(i, "prompt", what)]
    if (
        not isinstance(answers, list)
        or len(answers) < 2
        or not all(isinstance(a, str) and a for a in answers)
    ):
        return [RowError(i, "completions", "expected two answers or more, none of them empty")]
    if what := next((what for a in answers if (what := wrong_value("completion", a))), ""):
        return [RowError(i, "completions", what)]
    if scored and (not isinstance(scores, list) or len(scores) != len(answers)):
        return [RowError(i, "scores", f"expected {len(answers)} numbers, one for each completion")]
    return []


def first_bos(codec: Codec) -> int | None:
    """The BOS that this tokenizer puts before a plain text, if it does."""
    bos = codec.tokenizer.bos_token_id
    return bos if bos is not None and codec.prompt_ids(["a"])[0][:1] == [bos] else None
