"""TRL's dataset types: which one a table is, what is wrong with its rows, and rows to and from them.

Source: TRL documentation, "Dataset formats and types" (1.16), and `trl.data_utils`. A text is standard; a
list of messages is conversational.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from truenorth.base import UserError
from truenorth.base.files import HALF
from truenorth.records.types import Prompt, Row, Source, as_messages

Kind = Literal[
    "language_modeling", "prompt_only", "prompt_completion", "preference", "unpaired_preference", "stepwise"
]

# The columns of each kind, most specific first; a kind fits a table that has all columns of one alternative.
KINDS: dict[Kind, tuple[tuple[str, ...], ...]] = {
    "stepwise": (("prompt", "completions", "labels"),),
    "preference": (("prompt", "chosen", "rejected"), ("chosen", "rejected")),
    "unpaired_preference": (("prompt", "completion", "label"),),
    "prompt_completion": (("prompt", "completion"),),
    "prompt_only": (("prompt",),),
    "language_modeling": (("messages",), ("text",)),
}
HALVED = "half of a character (a lone surrogate), which no tokenizer reads"
ROLES = ("system", "user", "assistant", "tool", "developer")


class RowError(NamedTuple):
    """What is wrong with one field of one row (0-based)."""

    row: int
    field: str
    what: str

    def __str__(self) -> str:
        return f"row {self.row}, {self.field}: {self.what}"


def kind_of(columns: Collection[str]) -> Kind:
    """The TRL type of a table with these columns; other columns may stand beside.

    Raises:
        UserError: none fits, with what each type needs.
    """
    for kind, alternatives in KINDS.items():
        if any(set(needed) <= set(columns) for needed in alternatives):
            return kind
    needs = "; ".join(f"{kind}: {' + '.join(alts[0])}" for kind, alts in KINDS.items())
    given = ", ".join(columns) or "none"
    raise UserError(f"columns {given} are no dataset type of TRL", expected=needs, fix="rename the columns")


def check_rows(rows: Sequence[Mapping[str, Any]], kind: Kind | None = None) -> list[RowError]:
    """Everything wrong with the rows as data of this kind (by default: of the first row's kind)."""
    if not rows:
        return [RowError(0, "", "no rows")]
    kind = kind or kind_of(rows[0].keys())
    fields = _fields(rows, kind)
    return [error for i, row in enumerate(rows) for error in _check_row(i, row, kind, fields)]


def refuse(errors: Sequence[RowError], *, where: str, shown: int = 5) -> None:
    """Raise one UserError that shows the first few errors, if there are any."""
    if errors:
        more = f"; and {len(errors) - shown} more" if len(errors) > shown else ""
        raise UserError(
            "; ".join(map(str, errors[:shown])) + more, where=where, fix="mend or drop these rows"
        )


def _fields(rows: Sequence[Mapping[str, Any]], kind: Kind) -> tuple[str, ...]:
    """The alternative that most rows follow: an implicit prompt if no row has one."""
    alternatives = KINDS[kind]
    for needed in alternatives:
        if any(set(needed) <= set(row) for row in rows):
            return needed
    return alternatives[0]


def _check_row(i: int, row: Mapping[str, Any], kind: Kind, fields: tuple[str, ...]) -> list[RowError]:
    errors = []
    for field in fields:
        if field not in row or row[field] is None:
            errors.append(RowError(i, field, "missing"))
        elif what := wrong_value(field, row[field]):
            errors.append(RowError(i, field, what))
    if errors:
        return errors
    texts = [field for field in fields if field in ("prompt", "completion", "chosen", "rejected")]
    if len({isinstance(row[field], str) for field in texts}) > 1:
        return [RowError(i, texts[-1], f"text and messages mixed in {', '.join(texts)}")]
    if kind == "preference" and _comparable(row["chosen"]) == _comparable(row["rejected"]):
        errors.append(RowError(i, "rejected", "the same as chosen"))
    if kind == "stepwise" and len(row["completions"]) != len(row["labels"]):
        what = f"{len(row['labels'])} labels for {len(row['completions'])} completions"
        errors.append(RowError(i, "labels", what))
    return errors


def wrong_value(field: str, value: Any) -> str:
    """What is wrong with one value of a row, or nothing."""
    if field == "label":
        return "" if isinstance(value, bool) else f"expected true or false, not {value!r}"
    if field == "labels":
        good = _is_list(value) and value and all(isinstance(v, bool) for v in value)
        return "" if good else "expected a list of true and false"
    if field == "completions":
        good = _is_list(value) and value and all(isinstance(v, str) and v.strip() for v in value)
        return "" if good else "expected a list of steps, none of them empty"
    if isinstance(value, str) and field != "messages":
        return (HALVED if HALF.search(value) else "") if value.strip() else "empty"
    if not _is_list(value):
        return f"expected {'text or ' if field != 'messages' else ''}messages, not {type(value).__name__}"
    if not value:
        return "empty"
    return next((what for message in value if (what := _wrong_message(message))), "")


def _wrong_message(message: Any) -> str:
    if not isinstance(message, Mapping) or not {"role", "content"} <= set(message):
        return "a message is {role, content}"
    if message["role"] not in ROLES:
        return f"unknown role {message['role']!r}; expected one of {', '.join(ROLES)}"
    content, calls = message["content"], message.get("tool_calls")
    if not calls and (not isinstance(content, str) or not content.strip()):
        return "a message without text"
    return HALVED if isinstance(content, str) and HALF.search(content) else ""


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple))


def _comparable(value: Any) -> Any:
    return value if isinstance(value, str) else [(m["role"], m["content"]) for m in value]


def from_trl(rows: Sequence[Mapping[str, Any]], *, source: Source, where: str = "rows") -> list[Row]:
    """Checked rows with provenance. Implicit prompts become explicit; columns beside those of the type stay.

    Raises:
        UserError: wrong columns, or rows with errors, with the first few.
    """
    if not rows:
        raise UserError("no rows", where=where)
    kind = kind_of(rows[0].keys())
    refuse(check_rows(rows, kind), where=where)
    return [Row(explicit_prompt(row) if kind == "preference" else dict(row), source) for row in rows]


def to_trl(rows: Sequence[Row], kind: Kind, *, conversational: bool | None = None) -> list[dict[str, Any]]:
    """Plain rows with exactly the columns of a TRL type, ready for its trainers.

    Args:
        conversational: turn texts into messages (True) or single messages into texts (False); None: as they
        are.

    Raises:
        UserError: a row lacks a column, or a chat of several turns cannot become one text.
    """
    plain = [{**row.data} for row in rows]
    fields = _fields(plain, kind)
    table = [{field: row[field] for field in fields if field in row} for row in plain]
    refuse(check_rows(table, kind), where=f"rows as {kind}")
    if conversational is None or kind == "stepwise":
        return table
    turn = to_conversational if conversational else to_standard
    return [turn(row) for row in table]


def to_conversational(row: Mapping[str, Any]) -> dict[str, Any]:
    """Texts as messages: a prompt is the user's, a completion the assistant's."""
    result = dict(row)
    for field, value in row.items():
        if field == "prompt" and isinstance(value, str):
            result[field] = as_messages(value)
        elif field in ("completion", "chosen", "rejected") and isinstance(value, str):
            result[field] = [{"role": "assistant", "content": value}]
    return result


def to_standard(row: Mapping[str, Any]) -> dict[str, Any]:
    """Single messages as texts. Raises UserError for a chat of several turns: only a template joins those."""
    result = dict(row)
    for field, value in row.items():
        if field in ("prompt", "completion", "chosen", "rejected") and not isinstance(value, str):
            if len(value) != 1:
                fix = "keep it conversational, or apply a chat template"
                raise UserError(f"{len(value)} messages cannot become one text", where=field, fix=fix)
            result[field] = value[0]["content"]
    return result


def explicit_prompt(row: Mapping[str, Any]) -> dict[str, Any]:
    """A preference row with its prompt: what chosen and rejected begin with, if it was implicit.

    As TRL's `extract_prompt`: the longest common beginning, without a last space, that leaves both an answer.

    >>> explicit_prompt({"chosen": "The sky is blue.", "rejected": "The sky is green."})["prompt"]
    'The sky is'
    """
    if "prompt" in row:
        return dict(row)
    chosen, rejected = row["chosen"], row["rejected"]
    shortest = min(len(chosen), len(rejected))
    apart = next((i for i in range(shortest) if chosen[i] != rejected[i]), None)
    end = max(0, shortest - 1) if apart is None else apart
    if apart and chosen[apart - 1] == " ":
        end -= 1
    rest = {k: v for k, v in row.items() if k not in ("chosen", "rejected")}
    return {"prompt": chosen[:end], "chosen": chosen[end:], "rejected": rejected[end:], **rest}


def unpaired(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A preference row as two unpaired ones: the chosen answer is right, the rejected one is not."""
    full = explicit_prompt(row)
    return [
        {"prompt": full["prompt"], "completion": full["chosen"], "label": True},
        {"prompt": full["prompt"], "completion": full["rejected"], "label": False},
    ]


def prompt_of(row: Mapping[str, Any]) -> Prompt:
    """What is asked in a row: its prompt, explicit or not, or the turns before the last."""
    if "messages" in row:
        turns = list(row["messages"])
        return turns[:-1] if turns[-1]["role"] == "assistant" else turns
    if "prompt" not in row and "chosen" not in row:
        raise UserError("no prompt in this row", expected="prompt, messages, or chosen and rejected")
    return explicit_prompt(row)["prompt"] if "prompt" not in row else row["prompt"]
