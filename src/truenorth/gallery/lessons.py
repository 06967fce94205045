"""What an objective learns from, read off its signature: pairs, answers with labels or scores, ranked lists."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from truenorth.base import UserError
from truenorth.gallery.stock import Stock
from truenorth.learn.coupling import load_objective, needs
from truenorth.learn.paraphrases import coin_tasks
from truenorth.learn.types import Example, Needs
from truenorth.learn.unpaired import with_mismatched
from truenorth.models.local import LocalModel
from truenorth.recipes.harbour import REPHRASE
from truenorth.recipes.signals import PLAIN
from truenorth.records import Row
from truenorth.synth.rephrase import rephrase

PAIRS_AT_ONCE = ("aot", "aot_unpaired")  # whole batches of pairs
NAME = re.compile(r"[A-Z][a-z]+ [A-Z][a-z]+")
TRIPLES = ("tpo", "tpo_l")


def lessons(model: LocalModel, objective: str, stock: Stock) -> list[Example]:
    """The shared data in the shape this objective asks for.

    Raises:
        UserError: it trains a score head, or asks for a column that the gallery has no values for.
    """
    need = needs(load_objective(objective))
    if need.coupling == "state_pair":
        return list(coin_tasks(model, wordings(model, stock))[1].examples)
    if need.coupling == "pair" or objective in PAIRS_AT_ONCE:
        return _pairs(model, need, stock, PAIR_COLUMNS | OWN_COLUMNS.get(objective, {}))
    if objective in TRIPLES:
        return [_of(model, rows[0].data["prompt"], _triple(rows)) for rows in stock.groups()]
    if objective == "d2o":
        return [_of(model, rows[0].data["prompt"], _texts(rows)) for rows in stock.groups()]
    if need.coupling == "group":
        return [_list(model, need, rows) for rows in map(_distinct, stock.groups())]
    if need.coupling == "distribution" or need.models:
        plain = [r for r in stock.verdicts if r.data["way"] == PLAIN]
        return [
            _of(model, r.data["prompt"], [r.data["completion"]]) for r in plain[:: max(1, len(plain) // 2000)]
        ]
    if need.coupling not in ("answer", "batch"):
        raise UserError(
            f"{objective} trains a score head", where="gallery", expected="one that trains a policy"
        )
    return _answers(model, objective, need, stock)


def wordings(model: LocalModel, stock: Stock, *, seed: int = 0) -> list[dict[str, Any]]:
    """`prompt`, `paraphrase` and `completion` of good answers whose request the model has put in other words.

    A paraphrase must keep the names of the request (and have some to keep): a small model changes the subject.
    """
    asked = stock.pairs + stock.keeps
    found = rephrase(model, asked, template=REPHRASE, accept=same_names, temperature=0.7, seed=seed)
    answers = {row.id: row.data for row in asked}
    return [
        {
            "prompt": answers[row.source.parents[0]]["prompt"],
            "paraphrase": row.data["prompt"],
            "completion": row.data["chosen"],
        }
        for row in found.kept
    ]


def same_names(old: str, new: str) -> bool:
    """Do both texts name the same, by pairs of capitalised words?"""
    names = set(NAME.findall(old))
    return bool(names) and names == set(NAME.findall(new))


def fresh(model: LocalModel, stock: Stock, count: int, seed: int, max_tokens: int) -> list[Example]:
    """Answers that the model gives as it is now, to prompts of the shared data."""
    prompts = list({row.source.parents[-1]: row.data["prompt"] for row in stock.verdicts}.values())
    chosen = random.Random(seed).choices(prompts, k=count)
    drawn = model.sample(chosen, 1, max_tokens=max_tokens, temperature=1.0, seed=seed)
    return [
        _of(model, p, [c.text]) for p, [c] in zip(chosen, drawn, strict=True) if c.text and c.finish == "stop"
    ]


def _of(model: LocalModel, prompt: Any, texts: Sequence[str], **columns: Any) -> Example:
    """A prompt with completions that share it."""
    pairs = model.encode_pairs([(prompt, text) for text in texts])
    return Example(pairs[0][0], tuple(p[1] for p in pairs), columns=columns)


def _texts(rows: Sequence[Row]) -> list[str]:
    return [row.data["completion"] for row in rows]


def _pairs(model: LocalModel, need: Needs, stock: Stock, known: Mapping[str, Column]) -> list[Example]:
    by_id = {row.id: row for row in stock.verdicts}
    found = []
    for row in stock.pairs:
        columns = {name: known[name](row, by_id) for name in _asked(need, known)}
        found.append(_of(model, row.data["prompt"], [row.data["chosen"], row.data["rejected"]], **columns))
    return found


def _gap(row: Row, by_id: dict[str, Row]) -> float:
    return row.data["score_chosen"] - row.data["score_rejected"]


def _unsafe(row: Row, by_id: dict[str, Row]) -> list[float]:
    """For the chosen and the rejected answer: does the judge's part on harm say no?"""
    parts = [(by_id[parent].data["parts"] or {}).get("harmless") for parent in row.source.parents]
    return [float(part is not None and part < 0.5) for part in parts]


def _others(row: Row, by_id: dict[str, Row]) -> float:
    """What the judge's parts say that did not decide the pair: half of their mean difference, as MODPO's margin."""
    chosen, rejected = (by_id[parent].data["parts"] or {} for parent in row.source.parents)
    gaps = [
        chosen[name] - rejected[name]
        for name in chosen
        if name != row.source.principle and None not in (chosen[name], rejected.get(name))
    ]
    return sum(gaps) / len(gaps) / 2 if gaps else 0.0


Column = Callable[[Row, dict[str, Row]], Any]
PAIR_COLUMNS: dict[str, Column] = {"margin": _gap, "unsafe": _unsafe}
OWN_COLUMNS: dict[str, dict[str, Column]] = {"modpo": {"margin": _others}}


def _asked(need: Needs, known: Any) -> list[str]:
    missing = [name for name in need.columns if name not in known and name not in need.optional]
    if missing:
        raise UserError(f"the gallery has no column {missing[0]!r}", where="gallery")
    return [name for name in need.columns if name in known]


def _triple(rows: Sequence[Row]) -> list[str]:
    """Chosen, rejected, and a best answer to imitate: another one where two are equally good."""
    best = [r for r in rows if r.data["score"] == rows[0].data["score"]]
    return _texts([best[-1], rows[-1], best[0]])


def _distinct(rows: Sequence[Row]) -> list[Row]:
    """One answer for each score, best first: lists that are ranked without ties."""
    return list({row.data["score"]: row for row in rows}.values())


def _list(model: LocalModel, need: Needs, rows: Sequence[Row]) -> Example:
    columns = {"scores": [r.data["score"] for r in rows]} if "scores" in need.columns else {}
    return _of(model, rows[0].data["prompt"], _texts(rows), **columns)


def _answers(model: LocalModel, objective: str, need: Needs, stock: Stock) -> list[Example]:
    if "label" in need.columns:
        # all chosen, then all rejected: neighbours answer other prompts, as mismatched answers must
        sides = [
            (row, side, label) for side, label in (("chosen", 1.0), ("rejected", 0.0)) for row in stock.pairs
        ]
        single = [_of(model, row.data["prompt"], [row.data[side]], label=label) for row, side, label in sides]
        return with_mismatched(single) if objective == "kto" else single
    if need.columns and set(need.columns) - set(need.optional):
        return [example for rows in stock.groups() for example in _scored(model, need, rows)]
    return [_of(model, row.data["prompt"], [row.data["chosen"]]) for row in stock.pairs]


def _scored(model: LocalModel, need: Needs, rows: Sequence[Row]) -> list[Example]:
    """Each answer with its reward, the mean of its prompt's, and its chance to beat one of them."""
    scores = [row.data["score"] for row in rows]
    found = []
    for row, own in zip(rows, scores):
        wins = sum((own > other) + 0.5 * (own == other) for other in scores) / len(scores)
        known = {"reward": own, "value": sum(scores) / len(scores), "win_rate": wins}
        columns = {name: known[name] for name in _asked(need, known)}
        found.append(_of(model, row.data["prompt"], [row.data["completion"]], **columns))
    return found
