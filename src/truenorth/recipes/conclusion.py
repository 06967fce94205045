"""What a run has shown, as the data of its report: comparisons, goals, curves, cards, changes, costs."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from truenorth.base import seed_of
from truenorth.constitution import Constitution
from truenorth.engine import Run, machine, packages
from truenorth.measure import Answer, Comparison
from truenorth.recipes.job import Bench, Job, Judges
from truenorth.recipes.measuring import Measured
from truenorth.records import Row, prompt_text
from truenorth.stats import Estimate, mean

Compared = Mapping[str, Mapping[str, Comparison]]
STEPS = ("prompts", "answers", "verdicts", "data")


def shown(found: Mapping[str, Comparison], job: Job, bench: Bench, which: str) -> dict[str, dict[str, Any]]:
    """Comparisons as the report has them, with titles, goals and Holm's p."""
    titles = {p.id: p.title for p in job.constitution.principles} | dict(bench.titles or {})
    rows = {}
    for name, one in found.items():
        judge = bench.judges.get(name)
        rows[name] = {
            "base": one.base,
            "aligned": one.aligned,
            "paired": one.paired._replace(p=one.p_holm, test=f"{one.paired.test}, Holm"),
            "title": titles.get(name, name.replace("_", " ")),
            "better": "lower" if name in bench.lower else "higher",
            "target": next((g.bound for g in bench.goals if (g.quantity, g.set) == (name, which)), None),
            "measured_by": judge.name if judge else "",
        }
    return rows


def reached(bench: Bench, conduct: Compared, tax: Compared) -> list[dict[str, Any]]:
    """Each stated goal with what was reached, and whether the mean is on the right side of its bound."""
    rows = []
    for goal in bench.goals:
        ability = goal.quantity.removeprefix("loss of ")
        one = (tax if ability != goal.quantity else conduct).get(goal.set, {}).get(ability)
        if one is None:
            continue
        value = one.aligned
        if ability != goal.quantity:
            d = one.paired
            value = Estimate(-d.difference, -d.high, -d.low, d.n)
        ok = value.mean <= goal.bound if goal.at_most else value.mean >= goal.bound
        rows.append(
            {
                "title": goal.title,
                "set": goal.set,
                "value": value,
                "bound": goal.bound,
                "at_most": goal.at_most,
                "note": f"the mean is {'within' if ok else 'outside'} the bound",
            }
        )
    return rows


def changes(measured: Measured, lower: frozenset[str], *, most: int = 12) -> dict[str, Any]:
    """Answers that changed for better and for worse, a few of each drawn by seed, spread over the principles."""
    better: list[dict[str, Any]] = []
    worse: list[dict[str, Any]] = []
    same = 0
    for which, (base, aligned) in measured.conduct.items():
        old = {a.key: a for a in base.answers}
        for new in aligned.answers:
            was = old[new.key]
            if was.score is None or new.score is None:
                continue
            if new.score == was.score:
                same += 1
            else:
                up = (new.score > was.score) != (new.item.principle in lower)
                (better if up else worse).append(_change(was, new, which))
    return {
        "better": _spread(better, most),
        "worse": _spread(worse, most),
        "better_total": len(better),
        "worse_total": len(worse),
        "same_total": same,
    }


def _change(old: Answer, new: Answer, which: str) -> dict[str, Any]:
    return {
        "prompt": prompt_text(new.item.prompt),
        "base": old.completion.text,
        "aligned": new.completion.text,
        "principle": new.item.principle,
        "base_score": old.score,
        "aligned_score": new.score,
        "set": which,
    }


def _spread(rows: list[dict[str, Any]], most: int) -> list[dict[str, Any]]:
    """At most `most` rows, taking the principles in turn."""
    rng = random.Random(seed_of("changes", len(rows)))
    rng.shuffle(rows)
    seen: Counter[str] = Counter()
    turns = []
    for row in rows:
        turns.append((seen[row["principle"]], row))
        seen[row["principle"]] += 1
    return [row for _, row in sorted(turns, key=lambda t: t[0])][:most]


def curves(run: Run, trained: str = "weights") -> dict[str, Any] | None:
    """Proxy, held-out judge, KL and length over the steps, and the step whose weights were kept."""
    looks = [m for m in run.view().metrics(trained) if "proxy" in m]
    losses = [m for m in run.view().metrics(trained) if "loss" in m]
    if not looks:
        return None
    looks.sort(key=lambda m: m["step"])

    def line(title: str, key: str, role: str, unit: str = "", band: bool = False) -> dict[str, Any]:
        points = [(m["step"], m[key]) for m in looks]
        spread = [(m["step"], m[f"{key}_low"], m[f"{key}_high"]) for m in looks] if band else []
        return {"title": title, "role": role, "points": points, "band": spread, "unit": unit}

    best = next(m for m in looks if m["kept"])
    return {
        "series": [
            line("judge that trains", "proxy", "proxy", band=True),
            line("judge held out", "second", "held_out", band=True),
            line("KL to the base model", "kl", "kl", "nats per answer"),
            line("answer length", "length", "length", "characters"),
            {"title": "loss", "role": "loss", "points": [(m["step"], m["loss"]) for m in losses], "unit": ""},
        ],
        "stopped_at": best["step"],
        "reason": "the last look within a standard error of the best of the judge that training did not see",
    }


def agreement(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """How often the training signal and what measures agree, principle by principle."""
    found = []
    for principle in dict.fromkeys(r.data["principle"] for r in rows):
        mine = [r for r in rows if r.data["principle"] == principle]
        known = [r for r in mine if r.data["agree"] is not None]
        if known:
            values, clusters = [r.data["agree"] for r in known], [r.data["cluster"] for r in known]
            rate = mean(values, clusters=clusters, abstained=len(mine) - len(known))
            found.append(
                {
                    "signal": "constitution",
                    "principle": principle,
                    "agreement": rate,
                    "answered": len(known) / len(mine),
                }
            )
    return found


def stages(run: Run, data: Sequence[Row], steps: Sequence[str] = STEPS) -> list[dict[str, Any]]:
    """How many rows each step left and what it dropped."""
    kept = {s.name: s for s in run.view().steps if s.kind == "rows"}
    found: list[dict[str, Any]] = []
    for name in steps:
        if name in kept:
            step = kept[name]
            reasons = {k.removeprefix(f"{name} "): n for k, n in step.counts.items() if n}
            found.append(
                {"title": name, "kept": step.rows, "dropped": sum(reasons.values()), "reasons": reasons}
            )
    uses = Counter(f"{r.data['use']}: {r.source.principle or 'good as it is'}" for r in data)
    if found:
        found[-1]["detail"] = ", ".join(f"{n:,} {k}" for k, n in uses.most_common())
    return found


def samples(data: Sequence[Row], most: int = 10) -> list[dict[str, Any]]:
    """A few rows of the data for the report, drawn by a seed of their own."""
    picked = random.Random(seed_of("samples")).sample(list(data), min(most, len(data)))
    return [
        {
            "id": r.id,
            "step": "data",
            "fields": {
                "prompt": prompt_text(r.data["prompt"]),
                "chosen": r.data["chosen"],
                "rejected": r.data["rejected"],
                "principle": r.source.principle,
                "use": r.data["use"],
            },
        }
        for r in picked
    ]


def conclude(
    job: Job,
    run: Run,
    bench: Bench,
    measured: Measured,
    judges: Judges,
    data: Sequence[Row],
    signals: Sequence[Row] = (),
    *,
    steps: Sequence[str] = STEPS,
    trained: str = "weights",
) -> dict[str, Any]:
    """The report's data, as `truenorth.report.schema` describes it.

    Args:
        steps: of the run that made rows, in order.
        trained: the step of the run that trained.
    """
    conduct, tax = measured.compared(), measured.tax()
    sets = {name: shown(found, job, bench, name) for name, found in conduct.items()}
    principles = sets.pop(bench.main)
    able = {
        f"{name}_{which}": row | {"title": f"{row['title']} ({which})"}
        for which, found in tax.items()
        for name, row in shown(found, job, bench, which).items()
    }
    goals = reached(bench, conduct, tax)
    line = curves(run, trained)
    lost = {k: n for k, n in run.view().counts().items() if n and k.startswith(("answers ", "verdicts "))}
    return {
        "title": f"{job.name} aligned to {job.constitution.name}",
        "run": str(run.path),
        "verdict": verdict(goals, principles),
        "base_model": {"name": job.name, "path": str(job.model)},
        "aligned_model": {"name": f"{job.name}-aligned", "path": str(run.path / "model")},
        "constitution": _written(job.constitution),
        "seeds": [job.settings.seed],
        "set": bench.main,
        "set_description": bench.about,
        "principles": principles,
        "sets": {name: {"title": name, "principles": found} for name, found in sets.items()},
        "targets": goals,
        "capability": able,
        "curves": line,
        "kl": _kl(run, line, trained),
        "judge": judges.cards,
        "signals": agreement(signals),
        "data": stages(run, data, steps),
        "samples": samples(data),
        "changes": changes(measured, bench.lower),
        "losses": lost,
        **_costs(run),
        "machine": machine(),
        "packages": packages(),
    }


def _written(constitution: Constitution) -> dict[str, Any]:
    fields = ("title", "statement", "kind", "severity")
    principles = {p.id: {name: getattr(p, name) for name in fields} for p in constitution.principles}
    return {"label": constitution.label, "principles": principles}


def _costs(run: Run) -> dict[str, Any]:
    """Of each step, and of all of them in seconds."""
    costs = run.view().costs()
    return {
        "seconds": round(sum(c.wall_s for c in costs.values()), 1),
        "cpu_seconds": round(sum(c.cpu_s for c in costs.values()), 1),
        "costs": {k: c._asdict() for k, c in costs.items()},
    }


def _kl(run: Run, line: Mapping[str, Any] | None, trained: str) -> dict[str, Any] | None:
    if line is None:
        return None
    at = next(m for m in run.view().metrics(trained) if "kl" in m and m["step"] == line["stopped_at"])
    return {"mean": at["kl"], "unit": "nats per answer"}


def verdict(reached: Sequence[Mapping[str, Any]], principles: Mapping[str, Any]) -> dict[str, Any]:
    """One sentence: which goals the means reach; without goals, which principles moved."""
    if reached:
        ok = [
            g
            for g in reached
            if (g["value"].mean <= g["bound"]) == g["at_most"] or g["value"].mean == g["bound"]
        ]
        missed = [f"{g['title']} ({g['set']})" for g in reached if g not in ok]
        text = f"{len(ok)} of {len(reached)} goals reached by the mean"
        text += f"; not reached: {', '.join(missed)}." if missed else "."
        return {"passed": not missed, "sentence": text}
    moved = {k: v for k, v in principles.items() if v["paired"].p < 0.05}
    up = [k for k, v in moved.items() if (v["paired"].difference > 0) == (v["better"] == "higher")]
    down = [k for k in moved if k not in up]
    text = f"Better on {', '.join(up) or 'nothing'}; worse on {', '.join(down) or 'nothing'} (p < 0.05, corrected)."
    return {"passed": bool(up) and not down, "sentence": text}
