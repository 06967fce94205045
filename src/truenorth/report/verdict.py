"""The verdict: what the targets and the paired intervals let one say, in one sentence."""

from __future__ import annotations

from collections import Counter

from truenorth.report.schema import Report, Status, Target, Verdict
from truenorth.report.words import change


def status(target: Target) -> Status:
    """Met when the whole interval is on the right side of the bound, not met when it is on the wrong one.

    A target that came with its status keeps it. Without an interval the mean decides.
    """
    if target.status:
        return target.status
    mean, low, high = target.value.mean, target.value.low, target.value.high
    if mean is None:
        return "cannot tell"
    low, high = (mean if low is None else low), (mean if high is None else high)
    reached = high <= target.bound if target.at_most else low >= target.bound
    missed = low > target.bound if target.at_most else high < target.bound
    return "met" if reached else "not met" if missed else "cannot tell"


def verdict(report: Report) -> Verdict:
    """The report's own verdict, or the one that follows from its numbers.

    It fails on a target that is not met or a principle that got worse in any set; it cannot be told while a
    target cannot, or while nothing is clearly better.
    """
    if report.verdict:
        return report.verdict
    sets = [report.principles, *(s.principles for s in report.sets.values())]
    main = Counter(change(c) for c in report.principles.values())
    worse = [name for principles in sets for name, c in principles.items() if change(c) == "worse"]
    goals = Counter(status(target) for target in report.targets)
    clauses = [_of(main["better"], len(report.principles), "principle") + " clearly better"]
    if worse:
        clauses.append("worse: " + ", ".join(title_of(report, name) for name in dict.fromkeys(worse)))
    if report.targets:
        clauses.append(_targets(goals, len(report.targets)))
    if worse or goals["not met"]:
        passed: bool | None = False
    else:
        passed = True if main["better"] and not goals["cannot tell"] else None
    sentence = "; ".join(clauses)
    return Verdict(passed=passed, sentence=sentence[0].upper() + sentence[1:] + ".")


def headline(verdict: Verdict) -> str:
    """Two words for the badge."""
    return {True: "Aligned", False: "Not there yet", None: "Cannot tell"}[verdict.passed]


def title_of(report: Report, name: str) -> str:
    """What people call a principle or an ability: by the comparison, else the constitution, else its id."""
    parts = [report.principles, report.capability]
    parts += [part for s in report.sets.values() for part in (s.principles, s.capability)]
    found = [part[name].title for part in parts if name in part]
    known = report.constitution.principles if report.constitution else {}
    return next(filter(None, [*found, known[name].title if name in known else ""]), name)


def _targets(goals: Counter[Status], total: int) -> str:
    parts = [f"{_of(goals['met'], total, 'target')} met"]
    if goals["not met"]:
        parts.append(f"{goals['not met']} not met")
    if goals["cannot tell"]:
        parts.append(f"{goals['cannot tell']} too close to tell")
    return ", ".join(parts)


def _of(some: int, total: int, what: str) -> str:
    if total == 1:
        return f"the only {what} is" + ("" if some else " not")
    number = f"all {total}" if some == total else f"{some} of {total}" if some else f"none of {total}"
    return f"{number} {what}s {'is' if some == 1 else 'are'}"
