"""Critique and revision as rows: an answer, what is wrong with it by a principle, and a better one; and pairs of them.

Source: Bai et al. 2022, "Constitutional AI" (arXiv:2212.08073), section 3; the models' part is in `revise`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from truenorth.base import UserError
from truenorth.models.protocol import Model, Tick
from truenorth.records import Row, Source
from truenorth.synth.answers import answer_text, as_answer
from truenorth.synth.asking import gathered, read
from truenorth.synth.dedupe import normalise
from truenorth.synth.filters import Filtered, row_prompt
from truenorth.synth.pairs import as_pair
from truenorth.synth.revise import PLAINLY, Templates, revise


def revisions(
    model: Model,
    rows: Sequence[Row],
    principles: Mapping[str, str],
    *,
    templates: Templates = PLAINLY,
    rounds: int = 1,
    constitution: str = "",
    max_tokens: int = 64,
    temperature: float = 1.0,
    seed: int = 0,
    tick: Tick | None = None,
) -> Filtered:
    """Rows (prompt, completion, draft): each answer (rows prompt, completion) as the model revises it.

    Reasons: faults of the critique or the revision, "unchanged".

    Args:
        principles: id -> statement; one is drawn a round, and the last one stands in the source.

    Raises:
        UserError: no principles.
    """
    if not principles:
        raise UserError("no principles to revise by", where="revisions")
    if not rows:
        return gathered(())
    ids, statements = list(principles), list(principles.values())
    drafts = [(row_prompt(row), answer_text(row.data["completion"])) for row in rows]
    found = revise(
        model,
        drafts,
        statements,
        templates=templates,
        rounds=rounds,
        max_tokens=max_tokens,
        temperature=temperature,
        seed=seed,
        tick=tick,
    )
    made: list[Row | str] = []
    for row, (prompt, draft), one in zip(rows, drafts, found, strict=True):
        critique, new = read(one.critique), read(one.revised)
        fault = (
            critique.fault or new.fault or ("unchanged" if normalise(new.text) == normalise(draft) else "")
        )
        source = Source(
            "revise",
            "inductive_bias",
            model=model.name,
            principle=ids[one.principle],
            constitution=constitution,
            seed=seed,
            parents=(row.id,),
            note=critique.text,
        )
        data = {"prompt": prompt, "completion": as_answer(prompt, new.text), "draft": draft}
        made.append(fault or Row(data, source))
    return gathered(made)


def pairs_from_revisions(rows: Sequence[Row], *, turned: bool = False) -> Filtered:
    """Preference rows: the revision chosen over its draft (rows prompt, completion, draft).

    Reasons: "same".

    Args:
        turned: the draft is chosen: for revisions that were asked to be worse.
    """
    made: list[Row | str] = []
    for row in rows:
        new, draft = answer_text(row.data["completion"]), str(row.data["draft"])
        if normalise(new) == normalise(draft):
            made.append("same")
            continue
        chosen, rejected = (draft, new) if turned else (new, draft)
        source = Source(
            "revision pairs",
            "inductive_bias",
            model=row.source.model,
            principle=row.source.principle,
            constitution=row.source.constitution,
            seed=row.source.seed,
            parents=(row.id,),
        )
        made.append(as_pair(row_prompt(row), chosen, rejected, source))
    return gathered(made)
