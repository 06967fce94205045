"""A constitution as a judge: its checks and named judges, rules as gates, values by weight."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError

from truenorth.base import UserError, find
from truenorth.constitution import Constitution, Principle
from truenorth.judges._prompts import asked
from truenorth.judges.checks import Check
from truenorth.judges.checks._text import applies, compiled
from truenorth.judges.foreign import ForeignCheck, foreign
from truenorth.judges.protocol import Judge
from truenorth.records import Group, Judgement, Prompt

SEVERITIES = ("low", "medium", "high", "critical")
PATTERNS = ("answer", "when_prompt")  # settings that are regular expressions


@dataclass(frozen=True)
class Compiled:
    """One principle, ready to judge."""

    id: str
    rule: bool
    severity: int  # 0 low .. 3 critical
    weight: float
    when: tuple[str, ...]
    checks: tuple[Check, ...]
    judges: tuple[Judge, ...]


@dataclass(frozen=True)
class ConstitutionJudge:
    """Weighs principles: a violated rule makes 0, else values average by weight (the weakest rule if none).

    `Judgement.principle` is the most severe violated rule, else what cost the most weight. `parts` has every
    principle that applied, in the constitution's order, abstentions included; each part's `parts` has its
    checks and judges. A principle without a verdict takes no part; without any verdict there is no answer,
    and none to an empty completion.
    """

    name: str
    principles: tuple[Compiled, ...]
    holds_at: float = 0.5  # a rule holds at or above this score

    def judge(self, groups: Sequence[Group]) -> list[list[Judgement]]:
        """One verdict per completion, with every principle's as a part."""
        by_principle = [judge_principle(p, groups, self.name) for p in self.principles]
        return [
            [
                self._weigh([parts[c] for verdicts in by_principle if (parts := verdicts[g]) is not None])
                if text.strip()
                else Judgement(None, self.name, reason="empty completion")
                for c, text in enumerate(group.completions)
            ]
            for g, group in enumerate(groups)
        ]

    def _weigh(self, parts: list[Judgement]) -> Judgement:
        by_id = {p.id: p for p in self.principles}
        answered = [(part, by_id[part.principle]) for part in parts if part.score is not None]
        verdict = partial(Judgement, judge=self.name, parts=tuple(parts))
        if not answered:
            return verdict(None, reason="no principle gave a verdict")
        rules = [(part, p) for part, p in answered if p.rule]
        broken = [(part, p) for part, p in rules if score_of(part) < self.holds_at]
        if broken:
            part, _ = max(broken, key=lambda pair: pair[1].severity)  # the first of the most severe
            return verdict(0.0, principle=part.principle, reason=f"breaks {part.principle}: {part.reason}")
        values = [(part, p) for part, p in answered if not p.rule]
        if not values:
            part = min((part for part, _ in rules), key=score_of)
            return verdict(part.score, principle=part.principle, reason=part.reason)
        total = sum(p.weight for _, p in values)
        part, _ = max(values, key=lambda pair: pair[1].weight * (1 - score_of(pair[0])))
        score = sum(p.weight * score_of(part) for part, p in values) / total
        return verdict(score, principle=part.principle, reason=part.reason)


def compile(
    constitution: Constitution,
    *,
    judges: Mapping[str, Judge | Sequence[Judge]] | None = None,
    folder: str | Path | None = None,
    holds_at: float = 0.5,
    only: Sequence[str] = (),
    allow_code: bool = False,
) -> ConstitutionJudge:
    """A judge of everything in the constitution that something can judge.

    Args:
        judges: principle id -> its judge or judges, beside its checks; "*" is for every principle without
            checks and without judges of its own.
        folder: where files named by checks are found; the constitution's own folder by default.
        only: ids of the principles to judge, such as the norms in force; all by default.
        allow_code: run checks named as `package.module:function`, in a confined process.

    Raises:
        UserError: a judge for a principle that does not exist, an unknown check or setting, a bad pattern.
    """
    named = dict(judges or {})
    principles = [p for p in constitution.principles if not only or p.id in only]
    unknown = sorted((set(named) | set(only)) - {"*"} - {p.id for p in constitution.principles})
    if unknown:
        ids = ", ".join(p.id for p in constitution.principles)
        raise UserError(f"no principle {', '.join(unknown)}", where="judges", expected=f"one of {ids}")
    beside = constitution.path.parent if constitution.path else Path()
    base = Path(folder) if folder is not None else beside
    ready = tuple(compile_principle(p, constitution, named, base, allow_code=allow_code) for p in principles)
    return ConstitutionJudge(f"constitution:{constitution.label}", ready, holds_at)


def compile_principle(
    p: Principle,
    constitution: Constitution,
    judges: Mapping[str, Judge | Sequence[Judge]],
    folder: Path,
    *,
    allow_code: bool,
) -> Compiled:
    """One principle of a constitution with its checks found by name and its judges attached."""
    where = [place_of(constitution, p, k) for k in range(len(p.checks))]
    if not allow_code and (code := [at for at, check in zip(where, p.checks, strict=True) if check.is_code]):
        raise UserError("runs code that the constitution names", where=code[0], fix="--allow-code")
    checks = tuple(
        bind(c.name, c.settings, folder=folder, where=at) for at, c in zip(where, p.checks, strict=True)
    )
    own = judges.get(p.id, () if checks else judges.get("*", ()))
    members = (own,) if isinstance(own, Judge) else tuple(own)
    when = p.applies_when.prompt if p.applies_when else ()
    return Compiled(p.id, p.kind == "rule", SEVERITIES.index(p.severity), p.weight, when, checks, members)


def place_of(constitution: Constitution, p: Principle, k: int) -> str:
    """File and line of the principle's k-th check, for messages."""
    line = constitution.line(f"principles[{constitution.principles.index(p)}].checks[{k}]")
    file = f"{constitution.path}{f', line {line}' if line else ''}, " if constitution.path else ""
    return f"{file}principle {p.id}, check {p.checks[k].name}"


def bind(name: str, settings: Mapping[str, Any], *, folder: Path, where: str, tried: bool = True) -> Check:
    """The check of that name with its settings fixed, and tried once unless `tried` is False.

    Raises:
        UserError: unknown check; unknown, missing or wrongly typed setting; bad pattern, missing file.
    """
    check, allowed, required = _parameters(name, folder, where)
    if unknown := sorted(set(settings) - set(allowed)):
        raise UserError(f"unknown setting {', '.join(unknown)}", where=where, expected=", ".join(allowed))
    if missing := [k for k in allowed if k in required and k not in settings]:
        raise UserError(f"setting {', '.join(missing)} is missing", where=where)
    for key, value in settings.items():
        for pattern in (value if isinstance(value, (list, tuple)) else [value]) if key in PATTERNS else ():
            compiled(str(pattern), where=where)
    if not isinstance(check, ForeignCheck):
        _check_types(check, settings, where)
    given = {**settings, **({"folder": str(folder)} if "folder" in required else {})}
    bound = replace(check, settings=given) if isinstance(check, ForeignCheck) else partial(check, **given)
    if tried:
        bound("word", "word")
    return bound


def _parameters(name: str, folder: Path, where: str) -> tuple[Any, list[str], set[str]]:
    """The check, the settings that may be given, and those that must be ("folder" if it wants to know it)."""
    if ":" in name:
        check, parameters, required = foreign(name, folder=folder, where=where)
        names = [a.arg for a in parameters]
        return check, [n for n in names if n != "folder"], required | ({"folder"} & set(names))
    check = find("truenorth.judges.checks", name, where=where)
    known = inspect.signature(check).parameters
    allowed = [k for k, v in known.items() if v.kind is v.KEYWORD_ONLY and k != "folder"]
    required = {k for k in allowed if known[k].default is inspect.Parameter.empty}
    return check, allowed, required | ({"folder"} & set(known))


def _check_types(check: Any, settings: Mapping[str, Any], where: str) -> None:
    """Raise UserError for a setting that is not of the type that the check declares."""
    for key, value in settings.items():
        try:
            _readers(check)[key].validate_python(value, strict=True)
        except ValidationError as error:
            declared = str(inspect.signature(check).parameters[key].annotation)
            expected = declared.replace("Patterns", "a pattern or a list of them")
            raise UserError(f"{key} is {value!r}", where=where, expected=expected) from error


@lru_cache(maxsize=256)
def _readers(check: Any) -> dict[str, TypeAdapter[Any]]:
    """What reads each setting of a check."""
    return {name: TypeAdapter(hint) for name, hint in get_type_hints(check).items() if name != "return"}


def judge_principle(p: Compiled, groups: Sequence[Group], judge: str) -> list[list[Judgement] | None]:
    """One judgement per completion of each group that the principle concerns; None for other groups."""
    concerned = [g for g, group in enumerate(groups) if applies(p.when, asked(group.prompt))]
    if not (p.checks or p.judges):
        concerned = []
    subset = [groups[g] for g in concerned]
    by_judge = [member.judge(subset) for member in p.judges] if subset else []
    by_check = [run_check(check, subset) for check in p.checks]
    result: list[list[Judgement] | None] = [None] * len(groups)
    for i, (g, group) in enumerate(zip(concerned, subset, strict=True)):
        result[g] = [
            combine(p, judge, [v[i][c] for v in by_check], [v[i][c] for v in by_judge])
            for c in range(len(group.completions))
        ]
    return result


def run_check(
    check: Check, groups: Sequence[Group], *, says: Callable[[Prompt], str] = asked
) -> list[list[Judgement]]:
    """A check's judgements of each group's completions; `says` is what the check reads of a prompt."""
    name = check.func.__name__ if isinstance(check, partial) else getattr(check, "__name__", "check")
    pairs = [(says(group.prompt), text) for group in groups for text in group.completions]
    scores = iter(check.many(pairs) if isinstance(check, ForeignCheck) else [check(*pair) for pair in pairs])
    return [[_checked(next(scores), name) for _ in group.completions] for group in groups]


def _checked(score: float | None, name: str) -> Judgement:
    return Judgement(score, f"check:{name}", reason="does not apply" if score is None else "")


def combine(p: Compiled, judge: str, checks: list[Judgement], judges: list[Judgement]) -> Judgement:
    """A principle's verdict: the weakest check that applies, and no better than its judges' mean."""
    scored = [j for j in checks if j.score is not None]
    opinions = [score_of(j) for j in judges if j.score is not None]
    bounds = [(score_of(j), j.judge) for j in scored]
    if opinions:
        bounds.append((sum(opinions) / len(opinions), "judges"))
    parts = tuple(checks + judges)
    if not bounds:
        reason = "; ".join(j.reason for j in judges if j.reason) or "nothing applies"
        return Judgement(None, judge, p.id, reason=reason, parts=parts)
    score, by = min(bounds, key=lambda bound: bound[0])
    reason = "; ".join(j.reason for j in judges if j.reason) if by == "judges" else f"{by} {score:.2f}"
    return Judgement(score, judge, p.id, reason=reason, parts=parts)


def score_of(judgement: Judgement) -> float:
    """The score of a judgement known to have one."""
    assert judgement.score is not None, judgement
    return judgement.score
