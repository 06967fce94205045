"""What can be loaded but is doubtful: contradictions, overlaps, what nothing can test, patterns, dates.

Left out on purpose: judging the wording itself. Overlap and opposition of statements are found by shared
words, so they are hints; contradictions between checks and examples are found by running the checks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from difflib import get_close_matches
from itertools import combinations
from typing import Literal, NamedTuple

from truenorth.constitution.schema import CHECKS_OF_PATTERNS, Check, Constitution, Principle

RunCheck = Callable[[Check, str, str], float | None]  # (check, prompt, answer) -> score, None: not concerned
Level = Literal["error", "warning", "note"]

OVERLAP = 0.6  # share of content words that two statements have in common (Jaccard)
PROBES = ("", "a", "The ferry leaves at noon.", "42", "?!", "Ja, gern", "一")
NEGATIONS = frozenset("not no never none nor without don't doesn't cannot can't won't refuse avoid".split())
STOP = frozenset(
    "a an and any are as at be by can do does for from has have if in is it its may must of on or "
    "should so such than that the their them then they this to was what when which who will with you your "
    "always answer answers answering model assistant person people user users".split()
)


class Finding(NamedTuple):
    """One doubt. `rule` is the lint rule; `line` is where, if the constitution was read from a file."""

    level: Level
    rule: str
    principle: str
    what: str
    line: int | None = None


def lint(
    constitution: Constitution,
    *,
    run_check: RunCheck | None = None,
    today: date | None = None,
    checks: Sequence[str] = (),
) -> list[Finding]:
    """Everything doubtful, errors first, in the order of the principles.

    Args:
        run_check: runs one check; the default knows `forbid` and `require`, and says None to all others.
        today: what "expired" is measured against; norms that end are not checked without it.
        checks: the checks that there are; without them, `measured_by: check:NAME` is not looked up.
    """
    run = run_check or run_patterns
    found = [
        *_examples(constitution, run),
        *_opposed_examples(constitution),
        *_opposed_checks(constitution),
        *_statements(constitution),
    ]
    for i, principle in enumerate(constitution.principles):
        path = f"principles[{i}]"
        found += _untestable(constitution, principle, path)
        found += _patterns(constitution, principle, path)
        found += _dates(constitution, principle, path, today)
        found += _measure(constitution, principle, path, checks)
    levels = ("error", "warning", "note")
    return sorted(found, key=lambda f: (levels.index(f.level), f.line or 0))


def run_patterns(check: Check, prompt: str, answer: str) -> float | None:
    """`forbid` and `require` as the judges run them: anywhere in the text, whatever the case."""
    if check.name not in CHECKS_OF_PATTERNS:
        return None
    if (when := check.patterns("when_prompt")) and not _occurs(when, prompt):
        return None
    return float(_occurs(check.patterns("answer"), answer) == (check.name == "require"))


def _occurs(patterns: tuple[str, ...], text: str) -> bool:
    return any(re.search(pattern, text, re.IGNORECASE) for pattern in patterns)


def _concerns(principle: Principle, prompt: str) -> bool:
    return principle.applies_when is None or _occurs(principle.applies_when.prompt, prompt)


def _meet(p: Principle, q: Principle) -> bool:
    """Whether both can hold at once: norms of different times, places or groups do not."""
    return p.scope is None or q.scope is None or p.scope.meets(q.scope)


def _failing(principle: Principle, prompt: str, answer: str, run: RunCheck) -> list[str]:
    """Names of the principle's checks that the answer fails."""
    if not _concerns(principle, prompt):
        return []
    scores = [(check.name, run(check, prompt, answer)) for check in principle.checks]
    return [name for name, score in scores if score is not None and score < 0.5]


def _examples(c: Constitution, run: RunCheck) -> Iterator[Finding]:
    for i, p in enumerate(c.principles):
        for k, example in enumerate(p.examples):
            at = c.line(f"principles[{i}].examples[{k}]")
            if not _concerns(p, example.prompt):
                yield Finding(
                    "warning", "example", p.id, f"example {k}: its prompt is not one it applies to", at
                )
            for other in c.principles if example.good else ():
                failing = _failing(other, example.prompt, example.good or "", run)
                if failing and (other is p or (other.kind != "value" and _meet(p, other))):
                    whose = "its own" if other is p else f"{other.id}'s"
                    what = f"example {k}: the good answer fails {whose} check {', '.join(failing)}"
                    yield Finding("error", "contradiction", p.id, what, at)
            if example.bad and p.checks and not _failing(p, example.prompt, example.bad, run):
                runs = [run(check, example.prompt, example.bad) is not None for check in p.checks]
                if any(runs):
                    what = f"example {k}: the bad answer passes every check"
                    yield Finding("warning", "contradiction", p.id, what, at)


def _opposed_examples(c: Constitution) -> Iterator[Finding]:
    """The same answer to the same prompt, good here and bad there."""
    good: dict[tuple[str, str], str] = {}
    for p in c.principles:
        good |= {(_plain(e.prompt), _plain(e.good)): p.id for e in p.examples if e.good}
    for i, p in enumerate(c.principles):
        for k, e in enumerate(p.examples):
            other = good.get((_plain(e.prompt), _plain(e.bad))) if e.bad else None
            if other and _meet(p, c.principle(other)):
                what = f"example {k}: the bad answer is a good one of {other}"
                yield Finding("error", "contradiction", p.id, what, c.line(f"principles[{i}].examples[{k}]"))


def _opposed_checks(c: Constitution) -> Iterator[Finding]:
    """A pattern that one check requires and another forbids, for the same prompts."""
    placed = [
        (i, k, p, check)
        for i, p in enumerate(c.principles)
        for k, check in enumerate(p.checks)
        if check.name in CHECKS_OF_PATTERNS
    ]
    for (_, _, p, one), (j, k, q, two) in combinations(placed, 2):
        shared = set(one.patterns("answer")) & set(two.patterns("answer"))
        if one.name == two.name or not shared or not (_meet(p, q) and _same_prompts(p, one, q, two)):
            continue
        only = one if one.name == "require" else two
        if set(only.patterns("answer")) <= shared:
            what = f"requires what it forbids: {sorted(shared)[0]!r}"
            if p is not q:
                what = f"one check requires what another of {p.id} forbids: {sorted(shared)[0]!r}"
            at = c.line(f"principles[{j}].checks[{k}]")
            yield Finding("error", "contradiction", q.id, what, at)


def _same_prompts(p: Principle, one: Check, q: Principle, two: Check) -> bool:
    """Whether two checks surely meet on some prompt: a condition in common, or none on one side."""
    first = set(one.patterns("when_prompt")) | set(p.applies_when.prompt if p.applies_when else ())
    second = set(two.patterns("when_prompt")) | set(q.applies_when.prompt if q.applies_when else ())
    return not first or not second or bool(first & second)


def _statements(c: Constitution) -> Iterator[Finding]:
    """Statements that say nearly the same, or the same with and without a "not"."""
    words = [_content(p.statement) for p in c.principles]
    for (i, p), (j, q) in combinations(enumerate(c.principles), 2):
        union = words[i] | words[j]
        shared = len(words[i] & words[j]) / len(union) if union else 0.0
        if shared < OVERLAP or not _meet(p, q):
            continue
        at = c.line(f"principles[{j}].statement")
        if _negated(p.statement) != _negated(q.statement):
            what = f"seems to say the opposite of {p.id} ({shared:.0%} of the words shared)"
            yield Finding("warning", "contradiction", q.id, what, at)
        else:
            yield Finding(
                "warning", "overlap", q.id, f"says nearly what {p.id} says ({shared:.0%} shared)", at
            )


def _untestable(c: Constitution, p: Principle, path: str) -> Iterator[Finding]:
    if not (p.checks or p.examples or p.measured_by):
        what = "nothing can test it: no checks, no examples, no measured_by"
        yield Finding("error", "untestable", p.id, what, c.line(path))
    elif not p.measured_by:
        what = "nothing measures it in the end: no measured_by"
        yield Finding("warning", "untestable", p.id, what, c.line(path))


def _measure(c: Constitution, p: Principle, path: str, checks: Sequence[str]) -> Iterator[Finding]:
    kind, _, name = (p.measured_by or "").partition(":")
    if kind == "check" and checks and name not in checks:
        near = get_close_matches(name, checks, n=1, cutoff=0.5)
        what = f"measured_by: there is no check {name!r}" + (f"; did you mean {near[0]}?" if near else "")
        yield Finding("error", "untestable", p.id, what, c.line(f"{path}.measured_by"))


def _patterns(c: Constitution, p: Principle, path: str) -> Iterator[Finding]:
    named = [(f"{path}.applies_when", "applies_when", p.applies_when.prompt)] if p.applies_when else []
    for k, check in enumerate(p.checks):
        if check.name in CHECKS_OF_PATTERNS:
            at = f"{path}.checks[{k}]"
            named += [(at, f"{check.name}.{key}", check.patterns(key)) for key in check.settings]
    for at, name, patterns in named:
        for pattern in patterns:
            if all(re.search(pattern, probe, re.IGNORECASE) for probe in PROBES):
                level: Level = "error" if name.endswith(".answer") else "warning"
                what = f"{name}: the pattern {pattern!r} matches everything"
                yield Finding(level, "pattern", p.id, what, c.line(at))


def _dates(c: Constitution, p: Principle, path: str, today: date | None) -> Iterator[Finding]:
    if p.kind == "norm" and p.scope is None:  # only in constitutions built without validation
        yield Finding("error", "scope", p.id, "a norm without scope", c.line(path))
    if p.scope is None or today is None:
        return
    if p.scope.until and p.scope.until < today:
        yield Finding("warning", "expired", p.id, f"held until {p.scope.until}", c.line(f"{path}.scope"))
    if p.scope.start and p.scope.start > today:
        yield Finding("note", "scope", p.id, f"holds only from {p.scope.start}", c.line(f"{path}.scope"))


def _plain(text: str | None) -> str:
    return " ".join((text or "").lower().split())


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W\d_]+(?:'[^\W\d_]+)*", text.lower().replace("’", "'"))


def _content(text: str) -> frozenset[str]:
    """Words that carry meaning, crudely stemmed."""
    kept = [w.removesuffix("'s") for w in _words(text) if w not in STOP and w not in NEGATIONS]
    return frozenset(re.sub(r"(ing|ed|(?<=s)es|(?<!s)s)$", "", w) if len(w) > 4 else w for w in kept)


def _negated(text: str) -> bool:
    return sum(w in NEGATIONS for w in _words(text)) % 2 == 1
