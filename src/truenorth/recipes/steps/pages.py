"""Texts for each question, that debaters may quote and a judge does not see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from truenorth.base import UserError, read_jsonl
from truenorth.models.protocol import Model
from truenorth.recipes.run_rows import taken
from truenorth.recipes.run_work import Load, Prompts, Work
from truenorth.recipes.settings import Settings
from truenorth.records import Row, Source
from truenorth.synth.pages import found_pages, own_pages

Pages = Annotated[list[Row], "prompt", "document"]


def pages(prompts: Prompts, model: Model, work: Work, *, file: str = "", n: int = 4, least: int = 1) -> Pages:
    """For each question the `n` nearest passages of a file, or what the model writes, `n` times, of the names in it.

    Questions of which there is nothing are left out.

    Args:
        file: JSONL with a column `text`, a passage each.
        least: of the model's own texts that a sentence must stand on.

    Source: Yu et al. 2023 (arXiv:2209.10063), for texts that the model writes itself.
    """
    if file:
        lines = [str(data.get("text", "")) for data in read_jsonl(file)]
        if not any(map(str.strip, lines)):
            raise UserError("no passages", where=file, expected="JSONL with a column text")
        corpus = [Row({"text": text}, Source("human", note=file)) for text in lines if text.strip()]
        return taken(work, found_pages(prompts, corpus, k=n), "pages")
    with work.progress("pages", len(prompts)) as tick:
        settings = {"max_tokens": work.settings.max_tokens, "seed": work.settings.seed}
        return taken(work, own_pages(model, prompts, n=n, least=least, **settings, tick=tick), "pages")  # type: ignore[arg-type]


def forecast(
    rows: Sequence[float], settings: Settings, *, file: str = "", n: int = 4, least: int = 1
) -> Load:
    return Load(0.6 * rows[0], answers=0 if file else 0.6 * n * rows[0])
