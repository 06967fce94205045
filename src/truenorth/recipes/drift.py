"""What an alignment changed beside what it was for: KL, length, repetition, surprise at people's texts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from truenorth.engine import Run
from truenorth.measure import Answer, Scores, kl, length, repetition
from truenorth.models.local import LocalModel
from truenorth.recipes.settings import Settings
from truenorth.records import Prompt, Row, Source
from truenorth.stats import Estimate, paired, ratio

Both = Mapping[str, tuple[LocalModel, Any]]  # "base" and "aligned", each with what identifies it
Human = tuple[Prompt, str, str]  # prompt, how a person went on, cluster


def drift(
    run: Run, models: Both, measured: tuple[Scores, Scores], human: Sequence[Human], settings: Settings
) -> dict[str, Any]:
    """The report's `drift`, `kl` and a note, from the answers that were measured and from texts of people."""
    answers = [unique(scores) for scores in measured]
    way = moved(run, models, answers[0], settings)
    token = Estimate(**way["token"])
    return {
        "drift": texts_of(answers) | surprise(run, models, human),
        "kl": {**way["sequence"], "unit": "nats per answer"},
        "notes": [
            f"KL to the base model is {token.mean:.3f} nats a token [{token.low:.3f}, {token.high:.3f}]."
        ],
    }


def unique(scores: Scores) -> list[Answer]:
    """One answer a prompt: several principles may have asked the same."""
    return list({repr(a.item.prompt): a for a in reversed(scores.answers)}.values())[::-1]


def texts_of(answers: Sequence[Sequence[Answer]]) -> dict[str, Any]:
    """Length and repetition of both models' answers."""
    clusters = [a.item.group for a in answers[0]]
    long = [length([a.completion for a in one], clusters=clusters) for one in answers]
    words = [[float(len(a.completion.text.split())) for a in one] for one in answers]
    again = [repetition([a.completion.text for a in one], clusters=clusters) for one in answers]
    each = [[repetition([a.completion.text]).repeated_4.mean for a in one] for one in answers]
    both = [i for i, pair in enumerate(zip(*each)) if all(v == v for v in pair)]
    return {
        "length": {
            "title": "Length of answers",
            "base": long[0].words._asdict(),
            "aligned": long[1].words._asdict(),
            "paired": paired(*words, clusters=clusters),
            "unit": "words",
            "better": "neither",
        },
        "truncated": {
            "title": "Answers cut off",
            "base": long[0].truncated,
            "aligned": long[1].truncated,
            "better": "neither",
        },
        "repeated_4": {
            "title": "Repetition",
            "detail": "four words in a row that stood in the answer before",
            "base": again[0].repeated_4,
            "aligned": again[1].repeated_4,
            "paired": paired(*([one[i] for i in both] for one in each), clusters=[clusters[i] for i in both]),
            "better": "lower",
        },
        "distinct_2": {
            "title": "Variety",
            "detail": "different word pairs over all word pairs of all answers",
            "base": {"mean": again[0].distinct_2, "n": len(answers[0])},
            "aligned": {"mean": again[1].distinct_2, "n": len(answers[1])},
        },
    }


def surprise(run: Run, models: Both, human: Sequence[Human]) -> dict[str, Any]:
    """Nats per token of both models on what people wrote, if there are such texts."""
    if not human:
        return {}
    found = []
    for name, (model, identity) in models.items():
        [row] = run.step(
            f"human-text-{name}",
            [identity, [list(map(str, one)) for one in human]],
            partial(_surprise, model, human),
        )
        found.append(row.data)
    base, aligned = found
    clusters = [cluster for _, _, cluster in human]
    each = [[t / n for t, n in zip(one["total"], one["tokens"])] for one in found]
    nats = [ratio(one["total"], one["tokens"], clusters=clusters) for one in (base, aligned)]
    return {
        "human_text": {
            "title": "Surprise at what people wrote",
            "detail": f"perplexity {_exp(nats[0])} before, {_exp(nats[1])} after, on {len(human)} texts",
            "base": nats[0],
            "aligned": nats[1],
            "paired": paired(*each, clusters=clusters),
            "unit": "nats per token",
            "better": "lower",
        }
    }


def _surprise(model: LocalModel, human: Sequence[Human]) -> list[Row]:
    scored = model.logprobs([(prompt, text) for prompt, text, _ in human])
    data = {"total": [-s.total for s in scored], "tokens": [float(len(s.tokens)) for s in scored]}
    return [Row(data, Source("measure:human text", model=model.name))]


def moved(run: Run, models: Both, answers: Sequence[Answer], settings: Settings) -> dict[str, Any]:
    """KL(aligned || base) by answer and by token, on answers of the aligned model to the held-out prompts."""
    (base, was), (aligned, now) = models["base"], models["aligned"]
    prompts, groups = [a.item.prompt for a in answers], [a.item.group for a in answers]

    def make() -> list[Row]:
        found = kl(
            aligned, base, prompts, max_tokens=settings.max_tokens, seed=settings.seed + 31, clusters=groups
        )
        data = {"sequence": found.sequence._asdict(), "token": found.token._asdict()}
        return [Row(data, Source("measure:kl", model=aligned.name, seed=settings.seed))]

    [row] = run.step("kl", [[str(p) for p in prompts], was, now, settings.max_tokens, settings.seed], make)
    return row.data


def _exp(nats: Estimate) -> str:
    return f"{math.exp(min(nats.mean, 700)):.2f}"
