"""Evol-Instruct: prompts rewritten to ask for more, or for something rarer; what did not get better is given up.

Source: Xu et al. 2023, "WizardLM" (arXiv:2304.12244), section 3.2, and the released Evol_Instruct/depth.py: five
operators in depth, one in breadth, each drawn alike. Elimination (section 3.2): no information gain (`gain`), an
answer that is a short apology or says nothing (`said_something`, once there are answers), words copied from the
request.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial

from truenorth.base import UserError, seed_of
from truenorth.judges._code import FENCE
from truenorth.judges._content import STOP_WORDS
from truenorth.judges._prompts import replace_last_user
from truenorth.judges.ask import Asker
from truenorth.judges.checks._text import words
from truenorth.models.protocol import Model, Tick
from truenorth.records import Row, Source
from truenorth.synth.answers import answer_text
from truenorth.synth.asking import Said, gathered, part_seed, request, say
from truenorth.synth.dedupe import normalise
from truenorth.synth.filters import Filtered, filtered, last_turn, row_prompt

DEEPER = (
    "Rewrite the task below so that {how}. It must stay answerable and sound like a person; add 10 to 20 words at most "
    "and keep every table, code and input of it. Reply with the task alone.\n\n{prompt}"
)
HOW = {
    "constrain": "it has one more condition or requirement",
    "deepen": "it asks for more depth and breadth on what it asks about",
    "concretise": "general notions in it are replaced by specific ones",
    "reason": "it takes several steps of reasoning, and asks for them",
    "complicate": "it comes with an input, such as a table or some code, to work on",
}
OPERATORS: Mapping[str, str] = {name: DEEPER.replace("{how}", how) for name, how in HOW.items()} | {
    "mutate": "Write a new task of the same field as the one below, as long and as hard, about something rarer. Reply "
    "with the task alone.\n\n{prompt}"
}
# Words by which a rewriting speaks of itself.
META = (
    r"\b(?:(?:given|original|rewritten|created|above|new)[ -](?:prompt|task|instruction)|"
    r"rewrit\w+ the (?:prompt|task))\b"
)
GAIN = (
    "First task: {parent}\n\nSecond task: {child}\n\nDo the two ask for the same, under the same conditions and to the "
    "same depth? Reply with Yes or No."
)
APOLOGY = re.compile(r"(?i)\b(?:sorry|apologi[sz]e)\b")
SHORT = 80  # words; a longer answer may apologise and still answer


def evolve(
    model: Model,
    rows: Sequence[Row],
    *,
    rounds: int = 4,
    operators: Mapping[str, str] = OPERATORS,
    rules: Mapping[str, str] | None = None,
    gain: str = GAIN,
    most_added: int = 0,
    meta: str = META,
    max_tokens: int = 256,
    temperature: float = 1.0,
    seed: int = 0,
    tick: Tick | None = None,
) -> Filtered:
    """Evolved prompts, at most `rounds` from each row, with columns `depth` (1 for a child of a row) and `operator`.

    In each round every prompt is rewritten by an operator drawn by seed; a child that fails leaves its parent in its
    place for the next round. Each child's parent is the prompt it was made from; other columns are kept. Reasons:
    faults, "unchanged", "meta words", "input lost" (a code block of the parent is missing), "long", "no gain".

    Args:
        operators: name -> template with {prompt}, asked of the model.
        rules: further operators, name -> template with {prompt} that is itself the child ("{prompt} Answer in one
            word."): constraints for a model that cannot be asked to rewrite.
        gain: template with {parent} and {child}, asked of the model: a yes means no gain; "" does not ask.
        most_added: words that a child may have more than its parent; 0 any number.
        meta: a pattern of words that stand in a child only by mistake, unless its parent has them too.

    Raises:
        UserError: no operators, or no rounds.
    """
    ways = {**operators, **(rules or {})}
    if not ways or rounds < 1:
        raise UserError(f"{len(ways)} operators, {rounds} rounds", where="evolve", expected="one or more")
    current, kept, reasons = list(rows), [], []
    names = sorted(ways)
    ask = partial(say, model, max_tokens=max_tokens, temperature=temperature, tick=tick)
    asker = Asker(model) if gain else None
    for turn in range(rounds):
        drawn = [names[seed_of("operator", seed, turn, row.id) % len(names)] for row in current]
        filled = [
            request(ways[name], {"prompt": last_turn(row)}) for name, row in zip(drawn, current, strict=True)
        ]
        asked = [i for i, name in enumerate(drawn) if name not in (rules or {})]
        found = [Said(one["content"]) for [one] in filled]
        for i, [one] in zip(
            asked, ask([filled[i] for i in asked], seed=part_seed(seed, "evolve", turn)), strict=True
        ):
            found[i] = one
        children = [
            _child(row, one, name, model, seed, most_added, meta)
            for row, one, name in zip(current, found, drawn, strict=True)
        ]
        done = gathered(_with_gain(asker, gain, current, children))
        kept += done.kept
        reasons += [reason for reason, count in done.dropped.items() for _ in range(count)]
        better = {child.source.parents[0]: child for child in done.kept}
        current = [better.get(row.id, row) for row in current]
    return filtered(kept, reasons)


def _child(
    row: Row, one: Said, operator: str, model: Model, seed: int, most_added: int, meta: str
) -> Row | str:
    """The prompt with its last user turn rewritten, or what is wrong with the rewriting."""
    old, new = last_turn(row), one.text.strip('"')
    added = len(new.split()) - len(old.split())
    wrong = one.fault or ("unchanged" if normalise(new) == normalise(old) else "")
    wrong = wrong or (
        "meta words" if meta and re.search(meta, new, re.I) and not re.search(meta, old, re.I) else ""
    )
    lost = any(code.strip() not in new for _, code in FENCE.findall(old))
    wrong = wrong or ("input lost" if lost else "") or ("long" if most_added and added > most_added else "")
    prompt = replace_last_user(row_prompt(row), lambda _: new)
    data = {**row.data, "prompt": prompt, "depth": row.data.get("depth", 0) + 1, "operator": operator}
    source = Source("evolve", "imitation", model=model.name, seed=seed, parents=(row.id,), note=operator)
    return wrong or Row(data, source)


def _with_gain(
    asker: Asker | None, template: str, parents: Sequence[Row], children: Sequence[Row | str]
) -> list[Row | str]:
    """Children that ask for no more than their parents become "no gain"; without a verdict they stay."""
    pairs = [(p, c) for p, c in zip(parents, children, strict=True) if isinstance(c, Row)]
    if asker is None or not pairs:
        return list(children)
    asked = [request(template, {"parent": last_turn(p), "child": last_turn(c)}) for p, c in pairs]
    same = {
        c.id for (_, c), a in zip(pairs, asker.ask(asked, ["Yes", "No"]), strict=True) if a.choice == "Yes"
    }
    return ["no gain" if isinstance(c, Row) and c.id in same else c for c in children]


def said_something(rows: Sequence[Row]) -> Filtered:
    """Rows whose answer is one. Reasons: "apology" (of fewer than 80 words), "nothing said" (marks and small words)."""

    def wrong(text: str) -> str:
        said = words(text)
        if not [w for w in said if w not in STOP_WORDS]:
            return "nothing said"
        return "apology" if len(said) < SHORT and APOLOGY.search(text) else ""

    return gathered(wrong(answer_text(row.data["completion"])) or row for row in rows)
