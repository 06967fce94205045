"""Social scenes: a model plays all who are touched by its answer, sees what comes of it, and answers again.

Source: Pang et al. 2024, "Self-alignment of large language models via monopolylogue-based social scene simulation"
(MATRIX, arXiv:2402.05699), section 3: roles, a plan, a modulator that decides who learns of each step, reactions to
what was learned and nothing else, consequences, critique and revision. Unlike the released code, which runs a thread
a role, a scene is a queue of steps in a fixed order: the same seed plays the same scene, and a cap bounds it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from truenorth.base import UserError
from truenorth.judges.checks._text import sentences
from truenorth.judges.logprob import dialogue
from truenorth.models.protocol import Model, Tick
from truenorth.records import Row, Source
from truenorth.synth.answers import answer_text, as_answer
from truenorth.synth.asking import Said, gathered, part_seed, request, say_apart
from truenorth.synth.dedupe import normalise
from truenorth.synth.filters import Filtered, row_prompt
from truenorth.synth.scene_words import PLAIN, Scene
from truenorth.synth.writing import items


class Played(NamedTuple):
    """What a scene came to: who took part, what each of them learned, what went wrong, and all that in a sentence."""

    roles: tuple[str, ...]
    seen: dict[str, tuple[str, ...]]
    incidents: tuple[str, ...]
    consequences: str
    fault: str = ""


Ask = Callable[..., list[list[Said]]]


def scene_answers(
    model: Model,
    rows: Sequence[Row],
    *,
    scene: Scene = PLAIN,
    roles: Sequence[str] | None = None,
    most_roles: int = 4,
    most_steps: int = 4,
    keep_harmless: bool = False,
    max_tokens: int = 64,
    temperature: float = 1.0,
    seed: int = 0,
    tick: Tick | None = None,
) -> Filtered:
    """Rows (prompt, completion, draft, incidents): each answer (rows prompt, completion) revised in view of its scene.

    Reasons: faults of the revision, "roles: " or "consequences: " before those of these parts, "unchanged". A step
    that nobody could be asked about, or a reaction without words, is left out of the scene.

    Args:
        roles: who takes part in every scene, instead of asking for them; none at all leaves the revision alone.
        most_steps: sentences of the answer that are played, at most.
        keep_harmless: an answer of whose scene nothing bad came is kept as it is, instead of revised like the others.

    Raises:
        UserError: no roles or steps allowed.
    """
    if most_roles < 1 or most_steps < 1:
        raise UserError(
            f"{most_roles} roles, {most_steps} steps", where="scenes", expected="one or more of each"
        )
    ask = partial(say_apart, model, max_tokens=max_tokens, temperature=temperature, tick=tick)
    drafts = [(dialogue(row_prompt(row)), answer_text(row.data["completion"])) for row in rows]
    played = play(ask, drafts, scene, roles, most_roles, most_steps, seed)
    kept = {k for k, one in enumerate(played) if keep_harmless and not one.incidents}
    open_ = [k for k, one in enumerate(played) if not one.fault and k not in kept]
    values = [
        {"prompt": drafts[k][0], "answer": drafts[k][1], "consequences": played[k].consequences}
        for k in open_
    ]
    replies = ask([request(scene.revision, v) for v in values], seed=part_seed(seed, "revision"))
    found = {k: one for k, [one] in zip(open_, replies, strict=True)}
    found |= {k: Said(drafts[k][1]) for k in kept if not played[k].fault}

    def made(k: int, row: Row) -> Row | str:
        if k not in found:
            return played[k].fault
        new, draft, prompt, came = found[k], drafts[k][1], row_prompt(row), played[k].consequences
        source = Source("scene", "environment", model=model.name, seed=seed, parents=(row.id,), note=came)
        data = {"prompt": prompt, "completion": as_answer(prompt, new.text), "draft": draft}
        same = "unchanged" if k not in kept and normalise(new.text) == normalise(draft) else ""
        return new.fault or same or Row({**data, "incidents": list(played[k].incidents)}, source)

    return gathered(made(k, row) for k, row in enumerate(rows))


def play(
    ask: Ask,
    drafts: Sequence[tuple[str, str]],
    scene: Scene,
    roles: Sequence[str] | None,
    most_roles: int,
    most_steps: int,
    seed: int,
) -> list[Played]:
    """A scene of each (question, answer), side by side: one call of the model for each part and step of all scenes."""
    casts, faults = _cast(ask, drafts, scene, roles, most_roles, seed)
    plans = [sentences(answer)[:most_steps] for _, answer in drafts]
    seen: list[dict[str, list[str]]] = [{role: [] for role in cast} for cast in casts]
    reactions: list[list[tuple[str, str]]] = [[] for _ in drafts]
    for turn in range(max(map(len, plans), default=0)):
        now = [(k, plans[k][turn]) for k in range(len(drafts)) if turn < len(plans[k]) and casts[k]]
        told = _told(ask, now, casts, scene, part_seed(seed, "notices", turn))
        for k, role, step in told:
            seen[k][role].append(step)
        asked = [
            {"role": role, "seen": "\n".join(seen[k][role]), "prompt": drafts[k][0], "step": step}
            for k, role, step in told
        ]
        # two people who see the same may still differ, so equal requests of one scene get draws of their own
        scenes = [k for k, *_ in told]
        requests = [request(scene.reacts, v) for v in asked]
        replies = ask(requests, groups=scenes, seed=part_seed(seed, "reacts", turn))
        for (k, role, _), [one] in zip(told, replies, strict=True):
            if not one.fault:
                reactions[k].append((role, one.text))
    incidents = _incidents(ask, reactions, scene, seed)
    sums, more = _consequences(ask, incidents, scene, seed)
    return [
        Played(tuple(cast), {r: tuple(s) for r, s in each.items()}, tuple(bad), told_, fault or worse)
        for cast, each, bad, told_, fault, worse in zip(
            casts, seen, incidents, sums, faults, more, strict=True
        )
    ]


def _cast(
    ask: Ask,
    drafts: Sequence[tuple[str, str]],
    scene: Scene,
    roles: Sequence[str] | None,
    most: int,
    seed: int,
) -> tuple[list[list[str]], list[str]]:
    """Who takes part in each scene, each once; and what is wrong where nobody could be named."""
    if roles is not None:
        return [list(dict.fromkeys(roles))[:most] for _ in drafts], [""] * len(drafts)
    asked = [request(scene.roles, {"prompt": q, "answer": a}) for q, a in drafts]
    casts, faults = [], []
    for [one] in ask(asked, seed=part_seed(seed, "roles")):
        named = [role for role in items(one, most + 1) if not role.fault]
        casts.append(list(dict.fromkeys(role.text for role in named))[:most])
        faults.append("" if named else f"roles: {one.fault or 'format'}")
    return casts, faults


def _told(
    ask: Ask, now: Sequence[tuple[int, str]], casts: Sequence[Sequence[str]], scene: Scene, seed: int
) -> list[tuple[int, str, str]]:
    """(scene, role, step) for all who learn of their scene's step; everybody does where the reply names nobody."""
    if not scene.notices:
        return [(k, role, step) for k, step in now for role in casts[k]]
    asked = [request(scene.notices, {"step": step, "roles": "; ".join(casts[k])}) for k, step in now]
    found = []
    for (k, step), [one] in zip(now, ask(asked, seed=seed), strict=True):
        named = [role for role in casts[k] if name_of(role) in normalise(one.text)]
        found += [(k, role, step) for role in (named or casts[k])]
    return found


def name_of(role: str) -> str:
    """What a role is called: the words before a comma, a colon or a bracket, normalised."""
    return normalise(role.split(",")[0].split(":")[0].split("(")[0])


def _incidents(
    ask: Ask, reactions: Sequence[Sequence[tuple[str, str]]], scene: Scene, seed: int
) -> list[list[str]]:
    """Of each scene the reactions that are incidents, as "role: reaction"."""
    each = [
        (k, role, text)
        for k, said in enumerate(reactions)
        for role, text in said
        if normalise(text) not in scene.calm
    ]
    if scene.incident:
        asked = [request(scene.incident, {"role": role, "reaction": text}) for _, role, text in each]
        replies = ask(asked, seed=part_seed(seed, "incident"))
        each = [one for one, [r] in zip(each, replies, strict=True) if normalise(r.text).startswith("yes")]
    found: list[list[str]] = [[] for _ in reactions]
    for k, role, text in each:
        found[k].append(f"{role}: {text}")
    if scene.consequences:
        return found
    return [lines if _outvote(lines, len(said)) else [] for lines, said in zip(found, reactions, strict=True)]


def _outvote(incidents: Sequence[str], reactions: int) -> bool:
    """One kind of incident was met more often than there were calm reactions."""
    most = Counter(line.split(": ", 1)[1] for line in incidents).most_common(1)
    return bool(most) and most[0][1] > reactions - len(incidents)


def _consequences(
    ask: Ask, incidents: Sequence[Sequence[str]], scene: Scene, seed: int
) -> tuple[list[str], list[str]]:
    """What came of each scene in a sentence, and the fault where the model did not say it."""
    if not scene.consequences:
        often = [Counter(line.split(": ", 1)[1] for line in lines).most_common(1) for lines in incidents]
        return [most[0][0] if most else scene.nothing for most in often], [""] * len(incidents)
    open_ = [k for k, lines in enumerate(incidents) if lines]
    asked = [request(scene.consequences, {"incidents": "\n".join(incidents[k])}) for k in open_]
    sums, faults = [scene.nothing] * len(incidents), [""] * len(incidents)
    for k, [one] in zip(open_, ask(asked, seed=part_seed(seed, "consequences")), strict=True):
        sums[k], faults[k] = one.text, f"consequences: {one.fault}" if one.fault else ""
    return sums, faults
