"""A plan in words, with the command that runs it."""

from __future__ import annotations

from collections.abc import Sequence

from truenorth.engine import duration
from truenorth.recipes.plan import Plan, Proposal
from truenorth.recipes.run_work import Have
from truenorth.recipes.settings import Settings


def command(proposal: Proposal, given: Sequence[str]) -> str:
    """What to type. `given` are the options that say what is at hand."""
    s, first = proposal.settings, proposal.recipe.settings
    sets = [
        f"--set {key}={getattr(s, key)}"
        for key in ("prompts", "steps", "items")
        if str(getattr(s, key)) != str(first.get(key, getattr(Settings(), key)))
    ]
    uses = [f"--use {name}=DIR_OR_ID" for name in proposal.recipe.models] if proposal.lacks else []
    return " ".join(["truenorth run", proposal.recipe.name, *given, *sets, *uses])


def described(plan: Plan, given: Sequence[str], budget: str) -> str:
    """The plan in words."""
    have = plan.have
    lines = [f"at hand       {hand(have)}"]
    if not plan.proposals:
        lines.append("proposed      none: no recipe can run with this")
    else:
        best, *others = plan.proposals
        lines += [f"proposed      {best.recipe.name}: {best.recipe.title}"]
        lines += [f"              {why}" for why in reasons(best, budget)]
        lines += [f"              {command(best, given)}"]
        lines += [f"also possible {brief(p)}" for p in others[:1]]
        lines += [f"              {brief(p)}" for p in others[1:]]
    lines += [f"{'with more' if i == 0 else '':<13} {text}" for i, text in enumerate(plan.better_with)]
    return "\n".join(lines)


def hand(have: Have) -> str:
    """What is at hand, in a line."""
    told = [f"{have.parameters:,} parameters", "a chat template" if have.chats else "no chat template"]
    told.append(f"{have.guidance} principle{'' if have.guidance == 1 else 's'} with guidance")
    told.append(f"{have.labels} answers that people called good" if have.labels else "no labels")
    if have.prompts:
        told.append(f"{have.prompts:,} prompts")
    judged = (
        f"nothing judges {', '.join(have.unjudged)}" if have.unjudged else "every principle can be judged"
    )
    return ", ".join([*told, judged])


def reasons(p: Proposal, budget: str) -> list[str]:
    """Why this one."""
    s, gold = p.settings, p.recipe.gold
    told = [
        f"{s.prompts:,} prompts and {s.steps} training steps: about {duration(p.cpu_s)} of one core, "
        f"{p.memory_mib / 1024:.1f} GiB"
        + ("" if not budget else f", {'within' if p.fits else 'MORE THAN'} the budget of {budget}")
    ]
    if gold and p.recipe.claim:
        how = "three seeds" if gold.proven else "a first look, not three seeds"
        told.append(
            f"on the organism {p.recipe.claim.quantity} moved by {gold.points:+.1f} points ({gold.low:+.1f} to "
            f"{gold.high:+.1f}, 99 %), the four principles by {gold.overall:+.1f}, controls by "
            f"{gold.controls:+.1f}, known facts by {gold.facts:+.1f} "
            f"({how}; {gold.prompts:,} prompts, {gold.steps} steps)"
        )
    else:
        told.append("its effect has not been measured on the organism")
    return [*told, *(f"caution: {c}" for c in p.cautions)]


def brief(p: Proposal) -> str:
    found = p.recipe.gold
    gold = f", measured {found.overall:+.1f} points for {found.controls + found.facts:+.1f}" if found else ""
    fits = "" if p.fits else ", over the budget"
    return f"{p.recipe.name}: about {duration(p.cpu_s)}{fits}{gold}"
