"""What is wrong or odd with training data, found before any work: masks, ends, lengths, copies, biases, leaks.

Each check looks at one thing and gives findings with row numbers and a way out. Errors stop the work.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from truenorth.learn.data.encode import Encoded
from truenorth.learn.data.finding import Finding, Severity, shown, some
from truenorth.learn.data.prepare import Prepared
from truenorth.learn.data.wanted import halves_of
from truenorth.records.trl import explicit_prompt
from truenorth.stats import mcnemar, paired, rate

BIASED = 0.01  # p below which a difference of length is said to be no accident
LEAST_SHARE = 0.6  # and the share of pairs from which it is worth a warning

Check = Callable[[Prepared], list[Finding]]


def lint(train: Prepared, evaluation: Prepared | None = None) -> list[Finding]:
    """All findings, errors first."""
    found = [finding for check in CHECKS for finding in check(train)]
    if evaluation is not None:
        found += [f._replace(check=f"eval {f.check}") for check in BOTH for f in check(evaluation)]
        found += overlap(train, evaluation)
    order = ("error", "warning", "note")
    return sorted(found, key=lambda f: order.index(f.severity))


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
    odd = marked(data, "prefix")
    if not odd:
        return []
    what = f"{some(len(odd), len(data.rows))}: the chat template writes the prompt otherwise when an answer follows"
    fix = "prompts are taken as the model will see them, and answers as they are in the file"
    return [Finding("warning", "prefix", what, odd, fix)]


def system_turns(data: Prepared) -> list[Finding]:
    """System turns that the template has no place for, and chats for models without a template."""
    found = []
    if folded := marked(data, "folded"):
        what = f"{some(len(folded), len(data.rows))}: the chat template has no system turn"
        found.append(Finding("warning", "template", what, folded, "its text goes before the first user turn"))
    if bare := marked(data, "untemplated"):
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
        rows = marked(data, field)
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


def copies(data: Prepared) -> list[Finding]:
    """Rows that stand twice, pairs that stand both ways round, and answers that are labelled both ways."""
    first: dict[str, int] = {}
    again: list[int] = []
    for i, row in enumerate(data.rows):
        key = _key({k: v for k, v in row.items() if k in TEXTS})
        if first.setdefault(key, i) != i:
            again.append(i)
    found = []
    if again:
        what = f"{some(len(again), len(data.rows))} repeat an earlier row"
        found.append(Finding("warning", "duplicates", what, tuple(again), "drop them"))
    if opposed := _opposed(data):
        what = f"{some(len(opposed), len(data.rows))} say the opposite of another row"
        found.append(Finding("warning", "conflict", what, tuple(opposed), "keep one of each two"))
    return found


TEXTS = (
    "prompt",
    "completion",
    "chosen",
    "rejected",
    "text",
    "messages",
    "completions",
    "label",
    "labels",
    "scores",
)


def _opposed(data: Prepared) -> list[int]:
    where: dict[str, int] = {}
    found: list[int] = []
    broken = {error.row for error in data.errors}
    for i, row in enumerate(data.rows):
        if i in broken or data.kind not in ("preference", "unpaired_preference"):
            continue
        if data.kind == "preference":
            full = explicit_prompt(row)
            own, other = (
                _key([full["prompt"], full[a], full[b]])
                for a, b in (("chosen", "rejected"), ("rejected", "chosen"))
            )
        else:
            own, other = (
                _key([row["prompt"], row["completion"], label]) for label in (row["label"], not row["label"])
            )
        where.setdefault(own, i)
        if other in where:
            found += [where[other], i]
    return sorted(set(found))


def _key(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)


def length_bias(data: Prepared) -> list[Finding]:
    """How often the chosen answer is the longer one, with its interval and a sign test."""
    pairs = [one for one in data.encoded if len(one.completions) == 2]
    if data.kind != "preference" or len(pairs) != len(data.encoded) or not pairs:
        return []
    sizes = [(len(one.completions[0]), len(one.completions[1])) for one in pairs]
    longer, shorter = sum(a > b for a, b in sizes), sum(a < b for a, b in sizes)
    if longer + shorter == 0:
        return [Finding("note", "length bias", "chosen and rejected answers are equally long")]
    share = rate(longer, longer + shorter)
    p = mcnemar(longer, shorter)
    gap = paired([b for _, b in sizes], [a for a, _ in sizes])
    what = (
        f"chosen is the longer answer in {share.mean:.0%} [{share.low:.0%}, {share.high:.0%}] of {share.n} pairs "
        f"of unequal length, by {gap.difference:+.1f} [{gap.low:+.1f}, {gap.high:+.1f}] tokens on average (p = {p:.2g})"
    )
    if p < BIASED and max(share.mean, 1 - share.mean) >= LEAST_SHARE:
        fix = "the model may learn length: balance the pairs, or use a length-normalised objective"
        return [Finding("warning", "length bias", what, (), fix)]
    return [Finding("note", "length bias", what)]


def labels(data: Prepared) -> list[Finding]:
    """How many answers are labelled right and wrong."""
    if data.kind != "unpaired_preference":
        return []
    counts = Counter(bool(row.get("label")) for row in data.rows)
    right, wrong = counts[True], counts[False]
    what = f"{right:,} answers are labelled right, {wrong:,} wrong"
    if not right or not wrong:
        return [Finding("warning", "labels", what, (), "one side only teaches little: add the other")]
    if max(right, wrong) > 4 / 3 * min(right, wrong):
        side = "undesirable" if right > wrong else "desirable"
        fix = f"--{side}_weight {max(right, wrong) / min(right, wrong):.2f} makes them count alike (kto)"
        return [Finding("note", "labels", what, (), fix)]
    return [Finding("note", "labels", what)]


def whole_chats(data: Prepared) -> list[Finding]:
    """Chats of which everything is trained: as TRL does unless told otherwise, but seldom meant."""
    if data.kind != "language_modeling" or data.shape.assistant_only_loss or data.codec.turn is None:
        return []
    if not any("messages" in row for row in data.rows):
        return []
    what = "every turn is trained, the user's too (the default of TRL)"
    return [Finding("note", "mask", what, (), "--assistant_only_loss trains what the assistant says")]


def unused(data: Prepared) -> list[Finding]:
    """Columns that nothing reads."""
    asked_for = (*data.want.columns, *data.want.optional)
    used = {*TEXTS, *asked_for, "tools", "chat_template_kwargs", data.shape.weight_field}
    used |= {half for name in asked_for for halves in halves_of(name) for half in halves}
    extra = [c for c in dict.fromkeys(k for row in data.rows[:1000] for k in row) if c not in used]
    return [Finding("note", "columns", f"not used: {', '.join(extra)}")] if extra else []


def overlap(train: Prepared, evaluation: Prepared) -> list[Finding]:
    """Evaluation rows that training sees, whole or by their prompt (case, punctuation and spacing do not count)."""
    from truenorth.synth.dedupe import normalise

    def prompts(data: Prepared) -> dict[int, str]:
        broken = {error.row for error in data.errors}
        return {i: normalise(asked(row)) for i, row in enumerate(data.rows) if i not in broken}

    seen = {text for text in prompts(train).values() if text}
    rows = {_key({k: v for k, v in row.items() if k in TEXTS}) for row in train.rows}
    again = tuple(
        i
        for i, row in enumerate(evaluation.rows)
        if _key({k: v for k, v in row.items() if k in TEXTS}) in rows
    )
    known = tuple(i for i, text in prompts(evaluation).items() if text in seen and i not in again)
    found = []
    fix = "numbers on them say what was memorised: hold out whole prompts"
    if again:
        what = f"{some(len(again), len(evaluation.rows))} are also training rows"
        found.append(Finding("warning", "overlap", what, again, fix))
    if known:
        what = f"{some(len(known), len(evaluation.rows))} have a prompt that is also trained on"
        found.append(Finding("warning", "overlap", what, known, fix))
    return found


def asked(row: Mapping[str, Any]) -> str:
    """The words of a row's prompt; of a text or chat without one, all of its words up to the first answer."""
    if "text" in row and "prompt" not in row:
        return str(row["text"])
    if "messages" in row:
        turns = row["messages"]
        first = next((i for i, m in enumerate(turns) if m["role"] == "assistant"), len(turns))
        return "\n".join(str(m["content"]) for m in turns[:first])
    prompt = explicit_prompt(row)["prompt"] if "chosen" in row else row.get("prompt", "")
    return prompt if isinstance(prompt, str) else "\n".join(str(m["content"]) for m in prompt)


def marked(data: Prepared, mark: str) -> tuple[int, ...]:
    """The rows with this mark."""
    return tuple(dict.fromkeys(one.row for one in data.encoded if mark in one.marks))


def refusal(found: Sequence[Finding]) -> str:
    """The errors in one line, or nothing."""
    bad = [f for f in found if f.severity == "error"]
    return "; ".join(f"{f.check}: {f.what}" + (f" (rows {shown(f.rows)})" if f.rows else "") for f in bad)


BOTH: tuple[Check, ...] = (broken_rows, refused_rows, prefixes, begins, ends, cuts, nothing_left, copies)
CHECKS: tuple[Check, ...] = (*BOTH, plain_texts, system_turns, length_bias, labels, whole_chats, unused)
