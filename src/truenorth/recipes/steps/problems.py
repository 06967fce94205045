"""Problems whose answers are known: of a file, or sums, which anybody can check."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Annotated

from truenorth.base import UserError, read_jsonl, seed_of
from truenorth.recipes.run_check import Bound
from truenorth.recipes.run_limits import Count, File
from truenorth.recipes.run_rows import fresh
from truenorth.recipes.run_work import Load, Work
from truenorth.recipes.settings import Settings
from truenorth.records import Row, Source
from truenorth.synth import Filtered

Problems = Annotated[list[Row], "prompt", "answer"]
EASY, HARD = "easy", "hard"
# A model trained on one wording forgets how to answer the others.
ASKED = (
    "What is {sum}?",
    "What do you get from {sum}?",
    "Tell me what {sum} makes.",
    "Please compute {sum}.",
    "Find {sum}.",
    "{sum}?",
)
SIGNS = {True: ("plus", "+"), False: ("minus", "-")}


def problems(work: Work, *, n: Count | None = None, level: str = "", file: File = "") -> Problems:
    """Up to `n` problems with their answers (default: the job's number of prompts).

    Args:
        level: only those whose `level` is this one. Sums are "easy" (no carry, nothing borrowed, below 100) or "hard".
        file: JSONL with `prompt` (text), `answer`, and `level` if one is asked for. Without a file: sums.

    Raises:
        UserError: no problem of this level.

    Source: Sun et al. 2024, easy-to-hard generalization (arXiv:2403.09472), for the levels.
    """
    wanted = n or work.settings.prompts
    rows = _of_file(file) if file else _sums(2 * wanted, work.settings.seed, level)
    kept = [row for row in rows if not level or row.data["level"] == level]
    if not kept:
        raise UserError(f"no problem of level {level!r}", where=f"step problems, {file or 'sums'}")
    kept.sort(key=lambda row: seed_of("problems", work.settings.seed, row.id))
    return fresh(work, Filtered(kept[: 2 * wanted], {}), "problems")[:wanted]


def _of_file(file: str) -> list[Row]:
    rows = []
    for number, data in enumerate(read_jsonl(file), start=1):
        missing = [name for name in ("prompt", "answer") if not str(data.get(name, "")).strip()]
        if missing:
            raise UserError(f"no {', '.join(missing)}", where=f"{file}, row {number}")
        told = {"prompt": [{"role": "user", "content": str(data["prompt"])}], "answer": str(data["answer"])}
        rows.append(Row({**told, "level": str(data.get("level", ""))}, Source("human", note=file)))
    return rows


def _sums(count: int, seed: int, level: str) -> list[Row]:
    """Sums of two numbers of two digits in several wordings, six in ten of them additions."""
    rng = random.Random(seed_of("sums", seed, level))
    rows: list[Row] = []
    while len(rows) < count:
        a, b, plus = rng.randint(11, 89), rng.randint(11, 89), rng.random() < 0.6
        a, b = (a, b) if plus else (max(a, b), min(a, b))
        carries = a % 10 + b % 10 > 9 if plus else a % 10 < b % 10
        hard = carries or (plus and a + b > 99)
        if level in ("", HARD if hard else EASY):
            asked = rng.choice(ASKED).format(sum=f"{a} {rng.choice(SIGNS[plus])} {b}")
            told = {"prompt": [{"role": "user", "content": asked}], "answer": str(a + b if plus else a - b)}
            source = Source("sums", "environment", seed=seed)
            rows.append(Row({**told, "level": HARD if hard else EASY}, source))
    return rows


def check(step: Bound, earlier: Mapping[str, Bound], where: str) -> None:
    """Sums are of one of two levels; those of a file are its own.

    Raises:
        UserError: another level, without a file.
    """
    level = step.settings.get("level", "")
    if level not in ("", EASY, HARD) and not step.settings.get("file"):
        raise UserError(f"no sums of level {level!r}", where=where, expected=f"{EASY} or {HARD}")


def forecast(
    rows: Sequence[float], settings: Settings, *, n: int | None = None, level: str = "", file: str = ""
) -> Load:
    return Load(n or settings.prompts)
