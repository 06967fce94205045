"""From prompts to training data: answer them, value the answers, choose. No step knows what is true."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from truenorth.base import seed_of
from truenorth.judges import Judge
from truenorth.judges._prompts import neutralise
from truenorth.judges.checks._text import words
from truenorth.models import Model
from truenorth.models.guidelines import with_guidance
from truenorth.recipes.settings import Settings
from truenorth.records import Group, Judgement, Prompt, Row, Source
from truenorth.synth import Templates, revise

Count = Callable[[str, int], None]
PLAIN, REVISED, UNBIASED = "plain", "revised", "unbiased"
NOTES = {UNBIASED: "to the question without the user's opinion"}


def answer(
    model: Model,
    prompts: Sequence[Row],
    guidance: Mapping[str, str],
    settings: Settings,
    *,
    tick: Any,
    count: Count,
) -> list[Row]:
    """Answers to each prompt: plain ones, and one under each principle's guidance. Equal ones stand once.

    The plain answers show what the model says, the guided ones what it would say if it were reminded. Where the
    user states an opinion, the unbiased ones are what it says to the same question without the opinion.
    Source: Sun et al. 2023 (SELF-ALIGN) and Askell et al. 2021, for principles as context to distil from; Wei et
    al. 2023 (arXiv:2308.03958), for answers that do not depend on the user's opinion.
    """
    asked = [row.data["prompt"] for row in prompts]
    say = {"max_tokens": settings.max_tokens, "temperature": 1.0, "seed": settings.seed, "tick": tick}
    found: list[list[tuple[str, Any]]] = [[] for _ in prompts]
    ways: list[tuple[str, dict[int, Prompt], int]] = [(PLAIN, dict(enumerate(asked)), settings.samples)]
    if settings.guided:
        ways += [
            (k, {i: with_guidance(p, text) for i, p in enumerate(asked)}, settings.guided)
            for k, text in guidance.items()
        ]
    if settings.unbiased:
        without = {i: neutralise(p) for i, p in enumerate(asked)}
        ways.append((UNBIASED, {i: p for i, p in without.items() if p != asked[i]}, settings.unbiased))
    for way, texts, n in ways:
        quietly = {"tick": None} if way == UNBIASED else {}  # the bar counts prompts, and these are no more
        drawn = model.sample(list(texts.values()), n, **say | quietly)
        for i, completions in zip(texts, drawn, strict=True):
            found[i] += [(way, c) for c in completions]
    rows = []
    for row, answers in zip(prompts, found, strict=True):
        times: dict[tuple[str, str, bool], int] = defaultdict(int)
        for way, completion in answers:
            cut = settings.cut and completion.finish == "length"
            if (completion.finish != "stop" and not cut) or not completion.text.strip():
                count(f"answers {completion.finish if completion.finish != 'stop' else 'empty'}", 1)
            else:
                # plain text goes on where its prompt ends: the space between them is the answer's
                said = completion.text if isinstance(row.data["prompt"], str) else completion.text.strip()
                times[way, said, cut] += 1
        for (way, text, cut), n in times.items():
            data = {"prompt": row.data["prompt"], "completion": text, "way": way, "times": n}
            data |= {"cut": cut} if settings.cut else {}
            principle = way if way in guidance else ""
            note = f"under the guidance of {way}" if principle else NOTES.get(way, "")
            source = Source(
                "sample",
                model=model.name,
                principle=principle,
                seed=settings.seed,
                parents=(row.id,),
                note=note,
            )
            rows.append(Row(data, source))
    return rows


def revised(
    model: Model,
    answers: Sequence[Row],
    principles: Sequence[str],
    templates: Templates,
    settings: Settings,
    *,
    tick: Any,
    count: Count,
) -> list[Row]:
    """The likeliest plain answer to each prompt, as the model itself revises it; unchanged ones are not kept.

    Source: Bai et al. 2022 (arXiv:2212.08073): critique and revision by the model, before anything is judged.
    """
    drafts = [
        max((r for r in rows if r.data["way"] == PLAIN), key=lambda r: r.data["times"])
        for rows in grouped(answers).values()
        if any(r.data["way"] == PLAIN for r in rows)
    ]
    found = revise(
        model,
        [(d.data["prompt"], d.data["completion"]) for d in drafts],
        principles,
        templates=templates,
        rounds=settings.revised,
        max_tokens=settings.max_tokens,
        seed=settings.seed,
        tick=tick,
    )
    rows = []
    for draft, one in zip(drafts, found, strict=True):
        text = one.revised.text.strip()
        if one.revised.finish != "stop" or not text:
            count("revisions cut off or empty", 1)
        elif text != draft.data["completion"]:
            data = {**draft.data, "completion": text, "way": REVISED, "times": 1}
            parents = (draft.id, draft.source.parents[-1])
            source = Source(
                "revise",
                model=model.name,
                seed=settings.seed,
                parents=parents,
                note=one.critique.text.strip(),
            )
            rows.append(Row(data, source))
    return rows


def grouped(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Rows by the prompt they come from (their first parent's parent or parent), in order."""
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.source.parents[-1]].append(row)
    return groups


def value(judge: Judge, answers: Sequence[Row], *, constitution: str, count: Count) -> list[Row]:
    """Each answer with the judge's verdict: score (None: no answer), the principle that decided, and all parts."""
    groups = grouped(answers)
    texts = [Group(rows[0].data["prompt"], [r.data["completion"] for r in rows]) for rows in groups.values()]
    verdicts = []
    for rows, judgements in zip(groups.values(), judge.judge(texts), strict=True):
        for row, found in zip(rows, judgements, strict=True):
            count("verdicts without an answer", int(found.score is None))
            source = Source(
                f"judge:{judge.name}",
                judge=judge.name,
                principle=found.principle,
                constitution=constitution,
                parents=(row.id, row.source.parents[-1]),
                note=found.reason,
            )
            verdicts.append(Row({**row.data, "score": found.score, "parts": _parts(found)}, source))
    return verdicts


def _parts(judgement: Judgement) -> dict[str, float | None]:
    return {part.principle: part.score for part in judgement.parts}


def choose(verdicts: Sequence[Row], settings: Settings, *, constitution: str, count: Count) -> list[Row]:
    """Training rows: pairs where the model's plain answers differ in worth, and answers to keep where all are good.

    A pair's chosen answer is one of the best (unbiased before plain, plain before guided ones); its rejected one
    is a plain answer that scores lower by the margin, the more often the model says it the likelier. A prompt
    whose plain answers are all good, or that no judge can tell anything of, gives one of them to keep: there the
    model is held to what it was. A pair whose answers share most of their words would push down what they share
    (Razin et al. 2024, arXiv:2410.08847): its chosen answer is kept instead. A prompt without any good answer
    teaches nothing and is counted.
    """
    rows = []
    for prompt_id, group in grouped(verdicts).items():
        rng = random.Random(seed_of("choose", settings.seed, prompt_id))
        spoken = [r for r in group if r.data["way"] == PLAIN]
        scored = [r for r in group if r.data["score"] is not None]
        plain = [r for r in scored if r.data["way"] == PLAIN]
        if not spoken:
            count("prompts without an answer", 1)
        elif not plain:
            rows.append(_keep(_drawn(rng, spoken), constitution))
        else:
            best = max(r.data["score"] for r in scored)
            good = [r for r in scored if r.data["score"] >= best - 1e-9]
            poor = [r for r in plain if r.data["score"] <= best - settings.margin]
            if best < 0.5:
                count("prompts without a good answer", 1)
            elif poor:
                chosen = _drawn(rng, _first(good))
                rejected = _drawn(rng, poor)
                if likeness(chosen.data["completion"], rejected.data["completion"]) > settings.likeness:
                    rows.append(_keep(chosen, constitution))
                else:
                    rows.append(_pair(chosen, rejected, constitution))
            else:
                rows.append(_keep(_drawn(rng, plain), constitution))
    return rows


def _first(good: Sequence[Row]) -> Sequence[Row]:
    """Of good answers those that no opinion could have swayed; else those that the model gives by itself."""
    for way in (UNBIASED, PLAIN):
        if found := [r for r in good if r.data["way"] == way]:
            return found
    return good


def likeness(a: str, b: str) -> float:
    """Share of words that two answers have in common (Jaccard), in [0, 1]."""
    one, other = set(words(a)), set(words(b))
    return len(one & other) / max(1, len(one | other))


def _drawn(rng: random.Random, rows: Sequence[Row]) -> Row:
    """One of the rows, as likely as the model says it."""
    return rng.choices(rows, [r.data["times"] for r in rows])[0]


def _pair(chosen: Row, rejected: Row, constitution: str) -> Row:
    data = {
        "use": "pair",
        "prompt": chosen.data["prompt"],
        "chosen": chosen.data["completion"],
        "rejected": rejected.data["completion"],
        "score_chosen": chosen.data["score"],
        "score_rejected": rejected.data["score"],
        "way": chosen.data["way"],
        **_cut(chosen, rejected),
    }
    decided = rejected.source.principle
    source = Source(
        "choose",
        principle=decided,
        constitution=constitution,
        judge=chosen.source.judge,
        parents=(chosen.id, rejected.id),
        note=rejected.source.note,
    )
    return Row(data, source)


def _keep(row: Row, constitution: str) -> Row:
    data = {
        "use": "keep",
        "prompt": row.data["prompt"],
        "chosen": row.data["completion"],
        "rejected": "",
        "score_chosen": row.data["score"],
        "score_rejected": None,
        "way": PLAIN,
        **_cut(row),
    }
    return Row(data, Source("choose", constitution=constitution, judge=row.source.judge, parents=(row.id,)))


def _cut(chosen: Row, rejected: Row | None = None) -> dict[str, bool]:
    """Which answers were cut at max_tokens and so have no end to learn, where such answers are kept at all."""
    if "cut" not in chosen.data:
        return {}
    return {"cut_chosen": chosen.data["cut"], "cut_rejected": bool(rejected and rejected.data["cut"])}
