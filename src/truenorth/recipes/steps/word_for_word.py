"""Answers put into another language with their prompts, by the words of a phrase book one after the other."""

from __future__ import annotations

from collections.abc import Sequence

from truenorth.recipes.run_limits import File
from truenorth.recipes.run_rows import fresh
from truenorth.recipes.run_work import Answers, Have, Load, Work
from truenorth.recipes.settings import Settings
from truenorth.recipes.steps.translations import lacks as lacks_phrases
from truenorth.recipes.steps.translations import sentences
from truenorth.synth.translations import word_for_word as put


def word_for_word(answers: Answers, work: Work, *, file: File = "", language: str = "") -> Answers:
    """The answers in a language that keeps the order of words, as the organism's second one does.

    Those with a word that the phrase book lacks are left out. For other languages `translated` has a model do it.

    Args:
        file: JSONL with text and translation; by default the phrase book beside the organism's labels.
    """
    pairs = [(told["text"], told["translation"]) for told in sentences(work, file)]
    return fresh(work, put(answers, pairs, language=language), "answers word for word")


def forecast(rows: Sequence[float], settings: Settings, **given: str) -> Load:
    return Load(0.6 * rows[0])


def lacks(have: Have, **settings: object) -> str:
    return lacks_phrases(have, **settings)
