"""What the lint finds across rows: copies, opposites, biases of length and label, leaks, columns nobody reads."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from truenorth.learn.data.finding import Finding, some
from truenorth.learn.data.prepare import Prepared
from truenorth.learn.data.wanted import halves_of
from truenorth.records.trl import explicit_prompt
from truenorth.stats import mcnemar, paired, rate

BIASED = 0.01  # p below which a difference of length is said to be no accident


LEAST_SHARE = 0.6  # and the share of pairs from which it is worth a warning


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


def copies(data: Prepared) -> list[Finding]:
    """Rows that stand twice, pairs that stand both ways round, and answers that are labelled both ways."""
    first: dict[str, int] = {}
    again: list[int] = []
    for i, row in enumerate(data.rows):
        if i in data.left:
            continue
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


def _opposed(data: Prepared) -> list[int]:
    where: dict[str, int] = {}
    found: list[int] = []
    for i, row in enumerate(data.rows):
        if i in data.broken or data.kind not in ("preference", "unpaired_preference"):
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
    counts = Counter(bool(row.get("label")) for i, row in enumerate(data.rows) if i not in data.broken)
    right, wrong = counts[True], counts[False]
    what = f"{right:,} answers are labelled right, {wrong:,} wrong"
    if not right or not wrong:
        return [Finding("warning", "labels", what, (), "one side only teaches little: add the other")]
    if max(right, wrong) > 4 / 3 * min(right, wrong):
        side = "undesirable" if right > wrong else "desirable"
        fix = f"--{side}_weight {max(right, wrong) / min(right, wrong):.2f} makes them count alike (kto)"
        return [Finding("note", "labels", what, (), fix)]
    return [Finding("note", "labels", what)]


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
        return {i: normalise(asked(row)) for i, row in enumerate(data.rows) if i not in data.broken}

    seen = {text for text in prompts(train).values() if text}
    rows = {
        _key({k: v for k, v in row.items() if k in TEXTS})
        for i, row in enumerate(train.rows)
        if i not in train.left
    }
    again = tuple(
        i
        for i, row in enumerate(evaluation.rows)
        if i not in evaluation.left and _key({k: v for k, v in row.items() if k in TEXTS}) in rows
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
