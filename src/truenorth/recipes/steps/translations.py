"""Sentences and their translations, as exercises in one or both directions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from truenorth.base import UserError, read_jsonl, seed_of
from truenorth.recipes.run_limits import Back, Count, File, There
from truenorth.recipes.run_rows import taken
from truenorth.recipes.run_work import Answers, Have, Load, Work
from truenorth.recipes.settings import Settings
from truenorth.records import Row, Source
from truenorth.synth.translations import translation_pairs
from truenorth.worlds.harbour import PHRASES

COLUMNS = ("text", "translation")


def translations(
    work: Work, *, file: File = "", n: Count = 1000, there: There = "Translate: {text}", back: Back = ""
) -> Answers:
    """Chats that ask for the translation of at most `n` sentences, and with `back` for the way back as well.

    Args:
        file: JSONL with text and translation; by default the phrase book beside the organism's labels.
        there, back: how the model is asked; "" asks for no way back.

    Source: Zhu et al. 2023, x-LLaMA (arXiv:2308.04948), section 2.
    """
    rows = [Row(told, Source("phrase book", "people")) for told in sentences(work, file)]
    rows.sort(key=lambda row: seed_of("translations", work.settings.seed, row.id))
    return taken(work, translation_pairs(rows[:n], there=there, back=back), "translations")


def sentences(work: Work, file: str) -> list[dict[str, str]]:
    """Text and translation, of a file or the phrase book.

    Raises:
        UserError: no such file, or a row without one of them.
    """
    path = Path(file) if file else Path(work.job.inputs.get("labels") or "").with_name(PHRASES)
    if not path.is_file():
        where, fix = "phrase book", "--set STEP.file=FILE"
        raise UserError(
            f"no translations at {path}", where=where, expected="JSONL: text, translation", fix=fix
        )
    return [_told(row, path, i) for i, row in enumerate(read_jsonl(path))]


def _told(row: dict[str, str], path: Path, number: int) -> dict[str, str]:
    missing = [name for name in COLUMNS if not row.get(name)]
    if missing:
        raise UserError(f"no {missing[0]}", where=f"{path}, row {number + 1}", expected=", ".join(COLUMNS))
    return {name: str(row[name]) for name in COLUMNS}


def forecast(rows: Sequence[float], settings: Settings, **given: object) -> Load:
    return Load(min(800, float(str(given.get("n", 1000)))) * (2 if given.get("back") else 1))


def lacks(have: Have, **settings: object) -> str:
    return "" if have.organism or settings.get("file") else "needs translations.file"
