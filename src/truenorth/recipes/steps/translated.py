"""Answers put into another language with their prompts: instructions for a language that has none."""

from __future__ import annotations

from collections.abc import Sequence

from truenorth.models.protocol import Model
from truenorth.recipes.run_limits import Back, Share, There
from truenorth.recipes.run_rows import fresh
from truenorth.recipes.run_work import Answers, Load, Work
from truenorth.recipes.settings import Settings
from truenorth.synth.translations import translated as put


def translated(
    answers: Answers,
    model: Model,
    work: Work,
    *,
    language: str = "",
    there: There = "Translate: {text}",
    back: Back = "",
    least: Share = 0.5,
) -> Answers:
    """The answers in the other language; those that do not come back alike are left out, where `back` asks for that.

    Args:
        language: its name, for {language} in the templates.
        there, back: how the model is asked to translate, and to translate back.
        least: ROUGE-L F of a text with what came back.

    Source: Zhu et al. 2023, x-LLaMA (arXiv:2308.04948), section 2.
    """
    with work.progress("translations", (4 if back else 2) * len(answers)) as tick:
        found = put(
            model,
            answers,
            language=language,
            template=there,
            back=back,
            least=least,
            max_tokens=2 * work.settings.max_tokens,
            seed=work.settings.seed,
            tick=tick,
        )
    return fresh(work, found, "translated answers")


def forecast(rows: Sequence[float], settings: Settings, **given: object) -> Load:
    return Load(0.7 * rows[0], answers=(4 if given.get("back") else 2) * rows[0])
