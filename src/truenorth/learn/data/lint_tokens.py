"""What the lint finds in token ids: beginnings, ends, what limits cut, rows with nothing to learn."""

from __future__ import annotations

from truenorth.learn.data.encode import Encoded
from truenorth.learn.data.finding import Finding, Severity, some
from truenorth.learn.data.prepare import Prepared


def begins(data: Prepared) -> list[Finding]:
    """How many BOS tokens the rows begin with."""
    bos = data.codec.tokenizer.bos_token_id
    if bos is None or not data.encoded:
        return []
    counts = {one.row: _leading(one, bos) for one in data.encoded}
    double = tuple(row for row, n in counts.items() if n > 1)
    missing = tuple(row for row, n in counts.items() if n == 0)
    found = []
    if double:
        fix = "the template or the texts write it out a second time: take it out of one of them"
        found.append(
            Finding("error", "BOS", f"{some(len(double), len(counts))} begin with BOS twice", double, fix)
        )
    if missing and (data.bos is not None or len(missing) < len(counts)):
        what = f"{some(len(missing), len(counts))} begin without BOS, which this tokenizer puts before plain texts"
        found.append(Finding("warning", "BOS", what, missing, "add {{ bos_token }} to the chat template"))
    return found


def _leading(one: Encoded, bos: int) -> int:
    ids = [*one.prompt[:3], *one.completions[0][:2]]
    return next((i for i, token in enumerate(ids) if token != bos), len(ids))


def ends(data: Prepared) -> list[Finding]:
    """Completions without an end token, or with one before the end."""
    if data.kind == "stepwise":
        return []  # steps end with their separator
    codec = data.codec
    chats = codec.turn.end_id if codec.turn else None
    known = {i for i in (codec.text_end_id, chats) if i is not None}
    if not known:
        fix = "give the tokenizer an eos_token"
        return [
            Finding(
                "warning", "EOS", "the tokenizer has no end token: the model does not learn to stop", (), fix
            )
        ]
    found = []
    cut = {"completion", "chosen", "rejected"}
    open_ended = tuple(
        one.row
        for one in data.encoded
        if not cut & one.marks and any(c[-1] not in known for c in one.completions)
    )
    if open_ended:
        what = f"{some(len(open_ended), len(data.encoded))} do not end with an end token"
        found.append(Finding("warning", "EOS", what, open_ended, "the model does not learn to stop there"))
    if data.kind != "language_modeling":
        early = tuple(one.row for one in data.encoded if any(known & set(c[:-1]) for c in one.completions))
        if early:
            what = f"{some(len(early), len(data.encoded))} have an end token before their end"
            found.append(Finding("warning", "EOS", what, early, "take it out of the texts"))
    return found


def cuts(data: Prepared) -> list[Finding]:
    """What the length limits cut, by field, and the rows of which nothing is left."""
    found, limit = [], data.shape.max_length
    fix = f"raise --max_length (now {limit})" if limit else "raise --max_prompt_length"
    fields = sorted({m for one in data.encoded for m in one.marks} - {"prefix", "folded", "untemplated"})
    for field in fields:
        rows = data.marked(field)
        what = f"{field} cut in {some(len(rows), len(data.encoded))}"
        what += "" if field == "prompt" else ": its end token is gone, so the model learns to break off"
        found.append(Finding("warning", "truncation", what, rows, fix))
    if data.dropped:
        severity: Severity = "warning" if data.encoded else "error"
        what = f"{some(len(data.dropped), len(data.rows))} dropped: the prompt alone fills the {limit} tokens"
        found.append(Finding(severity, "truncation", what, data.dropped, fix))
    return found


def nothing_left(data: Prepared) -> list[Finding]:
    """Answers that are the same once they are cut, and rows without a trained token."""
    found = []
    same = tuple(
        one.row
        for one in data.encoded
        if data.kind == "preference" and len({*one.completions}) < len(one.completions)
    )
    if same:
        what = f"{some(len(same), len(data.rows))}: chosen and rejected are the same tokens"
        found.append(Finding("error", "pairs", what, same, "drop them, or raise --max_length"))
    empty = tuple(one.row for one in data.encoded if one.learned == 0 or not all(map(len, one.completions)))
    if empty:
        found.append(
            Finding("error", "mask", f"{some(len(empty), len(data.rows))} have no trained token", empty)
        )
    return found
