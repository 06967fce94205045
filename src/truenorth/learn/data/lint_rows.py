"""What the lint finds row by row in texts and chats: broken rows, templates, spaces, masks that were not meant."""

from __future__ import annotations

from collections import defaultdict

from truenorth.learn.data.finding import Finding, some
from truenorth.learn.data.prepare import Prepared


def broken_rows(data: Prepared) -> list[Finding]:
    """Rows that are not data of their kind: missing, empty, identical answers, wrong types."""
    groups: dict[str, list[int]] = defaultdict(list)
    for error in data.errors:
        groups[f"{error.field} {error.what}".strip()].append(error.row)
    return [
        Finding(
            "error",
            "rows",
            f"{some(len(set(rows)), len(data.rows))}: {what}",
            tuple(rows),
            "mend or drop them",
        )
        for what, rows in groups.items()
    ]


def refused_rows(data: Prepared) -> list[Finding]:
    """Rows that the chat template, or the search for the assistant's words, refuses."""
    groups: dict[str, list[int]] = defaultdict(list)
    for row, what in data.refused:
        groups[what].append(row)
    return [
        Finding("error", "template", f"{some(len(rows), len(data.rows))}: {what}", tuple(rows))
        for what, rows in groups.items()
    ]


def prefixes(data: Prepared) -> list[Finding]:
    """Prompts that the whole chat does not begin with: the model would be asked otherwise than it was taught."""
    odd = data.marked("prefix")
    if not odd:
        return []
    what = f"{some(len(odd), len(data.rows))}: the chat template writes the prompt otherwise when an answer follows"
    fix = "prompts are taken as the model will see them, and answers as they are in the file"
    return [Finding("warning", "prefix", what, odd, fix)]


def system_turns(data: Prepared) -> list[Finding]:
    """System turns that the template has no place for, and chats for models without a template."""
    found = []
    if folded := data.marked("folded"):
        what = f"{some(len(folded), len(data.rows))}: the chat template has no system turn"
        found.append(Finding("warning", "template", what, folded, "its text goes before the first user turn"))
    if bare := data.marked("untemplated"):
        what = f"{some(len(bare), len(data.rows))} are chats, and the model has no chat template"
        found.append(
            Finding("warning", "template", what, bare, "turns are joined by newlines; roles are lost")
        )
    return found


def plain_texts(data: Prepared) -> list[Finding]:
    """Plain texts for a model that chats, and prompts that run into their completions."""
    sound = {one.row for one in data.encoded}
    rows = [(i, row) for i, row in enumerate(data.rows) if i in sound and isinstance(row.get("prompt"), str)]
    if data.shape.as_chat or not rows:
        return []
    found = []
    if data.codec.turn is not None:
        what = f"{some(len(rows), len(data.rows))} are plain texts, and this model has a chat template"
        fix = "they are taken as texts to be continued; --as_chat makes turns of them"
        found.append(Finding("warning", "texts", what, tuple(i for i, _ in rows), fix))
    joined = tuple(
        i
        for i, row in rows
        if not row["prompt"][-1:].isspace()
        and any(
            isinstance(row.get(k), str) and row[k][:1].isalnum() for k in ("completion", "chosen", "rejected")
        )
    )
    if joined:
        what = f"{some(len(joined), len(data.rows))}: the completion goes on without a space after the prompt"
        found.append(
            Finding("warning", "texts", what, joined, "end prompts, or begin completions, with white space")
        )
    return found


def whole_chats(data: Prepared) -> list[Finding]:
    """Chats of which everything is trained: as TRL does unless told otherwise, but seldom meant."""
    if data.kind != "language_modeling" or data.shape.assistant_only_loss or data.codec.turn is None:
        return []
    if not any("messages" in row for row in data.rows):
        return []
    what = "every turn is trained, the user's too (the default of TRL)"
    return [Finding("note", "mask", what, (), "--assistant_only_loss trains what the assistant says")]
