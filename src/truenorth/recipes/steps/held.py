"""Lessons against what the model knows are turned round, those that would teach it to invent left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from truenorth.base import UserError
from truenorth.judges import ConsistencyJudge, Judge
from truenorth.judges._prompts import plain_key
from truenorth.judges.checks._text import first_match
from truenorth.judges.consistency import DECLINES, Consensus
from truenorth.judges.lawful import REFUSALS
from truenorth.models.guidelines import with_guidance
from truenorth.recipes.run_check import CONSISTENCY, Bound, judged_by
from truenorth.recipes.run_limits import Amount
from truenorth.recipes.run_rows import as_lesson, kept_as_it_is
from truenorth.recipes.run_work import Have, Load, Pairs, Prompts, Rows, Work, lacks_guidance
from truenorth.recipes.settings import Settings
from truenorth.records import Group, Row, Source

RULE = "rule"


def held(rows: Rows, prompts: Prompts, judge: Judge, work: Work, *, n: Amount = 3) -> Pairs:
    """The rows; where one teaches something else than what the model knows, that is preferred to what it taught.
    Beside them what it knows of the prompts, to keep.

    Known is what the model says again and again when the user's opinion is left out, and does not refuse when it is
    told of a rule of the constitution: nothing but the model is asked. Where its answers scatter, a lesson that does
    not decline would teach it to invent, and is left out. Rows to keep stay as they are.

    The judge must be `consistency` or `consistency:STEP`.

    Args:
        n: answers under each rule, none of which may refuse.

    Sources: Yang et al. 2023 (arXiv:2312.07000), for what is known; Yang et al. 2024 (arXiv:2402.13669), for lessons
    in the model's own words; Gekhman et al. 2024 (arXiv:2405.05904), for what lessons on unknown things do.
    """
    if not isinstance(judge, ConsistencyJudge):
        raise UserError(
            f"{judge.name} does not say what is known", where="step held", expected="judge: consistency"
        )
    lessons = [as_lesson(row) for row in rows]
    asked = [*(row for row in lessons if row.data["use"] == "pair"), *prompts]
    with work.progress("what is known", len(asked)) as tick:
        consensus = judge.consensus([row.data["prompt"] for row in asked], tick=tick)
    found = {row.id: one for row, one in zip(asked, consensus, strict=True)}
    taught = asked[: len(asked) - len(prompts)]
    agrees = judge.judge([Group(row.data["prompt"], [row.data["chosen"]]) for row in taught])
    against = [row.id for row, [verdict] in zip(taught, agrees, strict=True) if verdict.score == 0.0]
    stands = _standing(judge, [found[key] for key in (*against, *(row.id for row in prompts))], work, n)
    known = {key: one for key, one in found.items() if plain_key(one.prompt) in stands}
    invented = {key for key in against if found[key].verdict == "unknown"}
    turned = {key for key in against if key in known}
    work.count("lessons against what the model knows", len(turned))
    work.count("lessons that would teach to invent", len(invented))
    left = [row for row in lessons if row.id not in invented]
    return [
        *(_turned(row, known[row.id], judge, work) if row.id in turned else row for row in left),
        *(_kept(row, known[row.id], work) for row in prompts if row.id in known),
    ]


def _standing(judge: ConsistencyJudge, found: Sequence[Consensus], work: Work, n: int) -> set[str]:
    """The questions whose answer is known, and which the model does not refuse when it is told of a rule."""
    rules = [p.guidance for p in work.job.constitution.principles if p.kind == RULE and p.guidance]
    known = {plain_key(one.prompt): one.prompt for one in found if one.verdict == "known" and one.text}
    standing = set(known)
    for rule in rules if known else ():
        asked = [with_guidance(prompt, rule) for prompt in known.values()]
        told = judge.model.sample(asked, n, max_tokens=work.settings.max_tokens, seed=work.settings.seed)
        refused = [any(_refuses(c.text) for c in answers) for answers in told]
        standing -= {key for key, taken_back in zip(known, refused, strict=True) if taken_back}
    return standing


def _refuses(text: str) -> bool:
    """Will not, rather than cannot: told of anything, a small model doubts what it knows a little."""
    return bool(first_match(REFUSALS, text)) and not first_match(DECLINES, text)


def _turned(row: Row, known: Consensus, judge: Judge, work: Work) -> Row:
    data = {
        "use": "pair",
        "prompt": row.data["prompt"],
        "chosen": known.text,
        "rejected": row.data["chosen"],
        "score_chosen": None,
        "score_rejected": None,
    }
    note = f"known: {known.share.mean:.2f} of {known.m} agree"
    source = Source("held", judge=judge.name, constitution=work.label, parents=(row.id,), note=note)
    return Row(data, source)


def _kept(row: Row, known: Consensus, work: Work) -> Row:
    """What is known, to be kept; of a prompt with the user's opinion the answer to the question without it."""
    return kept_as_it_is(
        Row({"prompt": known.prompt, "completion": known.text}, row.source, row.id), work, "held"
    )


def check(step: Bound, earlier: Mapping[str, Bound], where: str) -> None:
    """The judge can do what is needed."""
    judged_by(step, CONSISTENCY, "does not say what is known", where)


def forecast(rows: Sequence[float], settings: Settings, *, n: int = 3) -> Load:
    asked = sum(rows)
    return Load(rows[0] + 0.4 * rows[1], answers=asked * (max(settings.samples, 4) + n))


def lacks(have: Have, **settings: object) -> str:
    return lacks_guidance(have)
