"""A judge whose checks come with each prompt: a reference answer, unit tests, a schema, IFEval's instructions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from truenorth.base import UserError, content_hash
from truenorth.judges._ifeval import follows
from truenorth.judges._prompts import asked, plain_key
from truenorth.judges.checks import Check
from truenorth.judges.compile import bind
from truenorth.records import Group, Judgement, Prompt
from truenorth.stats import Estimate, mean, ratio

Checks = Sequence[Mapping[str, Mapping[str, Any]]]  # [{name: settings}, ...], as a constitution writes them


@dataclass(frozen=True)
class VerifiableJudge:
    """Scores an answer by the checks of its prompt: their mean, or with `all_of` 1 only if every one is 1.

    Args:
        rows: (prompt, its checks). `of_rows` reads them from a table.
        workers: answers checked at a time; more than one helps only checks that run code.

    Raises:
        UserError: one prompt with two lists of checks, or a check or setting that does not exist.
    """

    rows: Sequence[tuple[Prompt, Checks]]
    all_of: bool = False
    folder: str = ""
    workers: int = 1
    name: str = ""
    _checks: dict[str, list[Check]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        base = Path(self.folder)
        ready: dict[str, list[Check]] = {}
        given_to: dict[str, Checks] = {}
        seen: set[str] = set()  # a check is tried with the settings of its first row: one may run code
        for number, (prompt, checks) in enumerate(self.rows, start=1):
            key = plain_key(prompt)
            if given_to.setdefault(key, checks) != checks:
                fix = "leave one out, or give each a judge of its own"
                raise UserError(
                    "an earlier prompt is the same, with other checks", where=f"row {number}", fix=fix
                )
            named = [(name, given) for check in checks for name, given in check.items()]
            where = f"row {number}, check "
            ready[key] = [
                bind(n, g or {}, folder=base, where=where + n, tried=n not in seen) for n, g in named
            ]
            seen |= {n for n, _ in named}
        object.__setattr__(self, "_checks", ready)
        if not self.name:
            told = [[plain_key(prompt), [dict(c) for c in checks]] for prompt, checks in self.rows]
            object.__setattr__(self, "name", f"verifiable:{content_hash([told, self.all_of], 8)}")

    @classmethod
    def of_rows(cls, rows: Sequence[Mapping[str, Any]], **settings: Any) -> VerifiableJudge:
        """Rows with `prompt` and one of `checks`, `answer` (mathematics) or `tests` (code, with `entry_point`).

        Raises:
            UserError: a row with none of them.
        """
        return cls(
            [(row["prompt"], checks_of(row, number)) for number, row in enumerate(rows, 1)], **settings
        )

    def judge(self, groups: Sequence[Group]) -> list[list[Judgement]]:
        """One judgement per completion; none for a prompt without checks. `parts` has each check's score."""
        said = [(g.prompt, c) for g in groups for c in g.completions]
        if self.workers > 1:
            with ThreadPoolExecutor(self.workers) as pool:
                found = iter(list(pool.map(lambda pair: self._one(*pair), said)))
        else:
            found = iter([self._one(*pair) for pair in said])
        return [[next(found) for _ in g.completions] for g in groups]

    def _one(self, prompt: Prompt, text: str) -> Judgement:
        if not text.strip():
            return Judgement(None, self.name, reason="empty completion")
        checks = self._checks.get(plain_key(prompt))
        if checks is None:
            return Judgement(None, self.name, reason="no checks for this prompt")
        words = asked(prompt)
        parts = tuple(
            Judgement(
                check(words, text), f"check:{check.func.__name__ if isinstance(check, partial) else ''}"
            )
            for check in checks
        )
        scores = [p.score for p in parts if p.score is not None]
        if not scores:
            return Judgement(None, self.name, reason="no check applies", parts=parts)
        score = float(min(scores) == 1) if self.all_of else sum(scores) / len(scores)
        failed = [p.judge for p in parts if p.score is not None and p.score < 1]
        return Judgement(score, self.name, reason=f"fails {', '.join(failed)}" if failed else "", parts=parts)


def checks_of(row: Mapping[str, Any], number: int = 1) -> Checks:
    """The checks of one row. Raises: UserError: it has none."""
    if "instruction_id_list" in row:
        return ifeval_rows([row])[0][1]
    if "checks" in row:
        return row["checks"]
    if "tests" in row or "test" in row:
        more = {"entry": row["entry_point"]} if row.get("entry_point") else {}
        return [{"unit_tests": {"tests": row.get("tests", row.get("test")), **more}}]
    if "answer" in row:
        return [{"math_answer": {"answer": row["answer"]}}]
    raise UserError(
        "nothing to check by", where=f"row {number}", expected="checks, answer, tests, or instruction_id_list"
    )


def ifeval_rows(rows: Sequence[Mapping[str, Any]], *, loose: bool = False) -> list[tuple[Prompt, Checks]]:
    """IFEval's rows (prompt, instruction_id_list, kwargs) as rows of a VerifiableJudge."""
    return [
        (
            row["prompt"],
            [
                {"ifeval": {"instruction": name, "settings": dict(kwargs or {}), "loose": loose}}
                for name, kwargs in zip(row["instruction_id_list"], row["kwargs"], strict=True)
            ],
        )
        for row in rows
    ]


class IFEvalScores(NamedTuple):
    """IFEval's four numbers, with intervals; those by instruction are clustered by prompt."""

    prompt_strict: Estimate
    instruction_strict: Estimate
    prompt_loose: Estimate
    instruction_loose: Estimate


def ifeval_scores(rows: Sequence[Mapping[str, Any]], answers: Mapping[str, str]) -> IFEvalScores:
    """The scores of answers by prompt. A prompt without an answer counts as broken, as in the paper.

    Source: Zhou et al. (2023), section 3: strict and loose accuracy, by prompt and by instruction.
    """
    made: list[Estimate] = []
    for loose in (False, True):
        kept = [
            [
                follows(name, answers.get(row["prompt"], ""), kwargs or {}, loose=loose)
                for name, kwargs in zip(row["instruction_id_list"], row["kwargs"], strict=True)
            ]
            for row in rows
        ]
        made.append(mean([float(all(row)) for row in kept]))
        made.append(ratio([float(sum(row)) for row in kept], [float(len(row)) for row in kept]))
    return IFEvalScores(*made)
