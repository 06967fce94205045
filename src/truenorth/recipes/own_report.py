"""What the report of a model of one's own adds: who judged what, what got lost, the verdict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from truenorth.engine import Run
from truenorth.models.glance import Glance
from truenorth.models.local import LocalModel
from truenorth.recipes.own_roles import WORDS, Role

NO_SYSTEM = (
    "The model's chat template has no place for a system turn; guidance was written before the first user "
    "turn ({n} prompts)."
)


def finished(
    report: dict[str, Any], run: Run, roles: Mapping[str, Role], look: Glance, model: LocalModel
) -> dict[str, Any]:
    """The report with its verdict on independently measured principles, all losses, and notes."""
    alone = [name for name, role in roles.items() if role.measures == "itself"]
    counts = run.view().counts()
    requests = {k.removeprefix("endpoint "): n for k, n in counts.items() if k.startswith("endpoint ")}
    lost = ("answers ", "verdicts ", "prompts ")
    report["losses"] = {k: n for k, n in counts.items() if n and k.startswith(lost)} | {
        f"requests {k}": n for k, n in requests.items() if n and k not in ("requests", "from the cache")
    }
    if any(k.startswith("requests ") for k in report["losses"]):
        report["losses_note"] = "requests that failed were sent again; only missing verdicts are lost"
    report["verdict"] = verdict(report["principles"], alone)
    notes = list(report.get("notes", []))
    if alone:
        notes.append(
            f"Measured by the judge that trained, so without a verdict: {', '.join(alone)}. Name another "
            "judge in the constitution (measured_by), or give --measure."
        )
    if look.keeps_system is False and model.counts["system_turn_folded"]:
        notes.append(NO_SYSTEM.format(n=model.counts["system_turn_folded"]))
    report["notes"] = notes
    report["tables"] = [*report.get("tables", []), table(roles, requests)]
    return report


def verdict(principles: Mapping[str, Any], alone: list[str]) -> dict[str, Any]:
    """Passed: something independently measured got better and nothing worse (p < 0.05, corrected by Holm)."""
    told = {k: v["paired"] for k, v in principles.items() if k not in alone}
    if not told:
        return {
            "passed": None,
            "sentence": "No verdict: every principle was measured by the judge that trained.",
        }
    up = [k for k, d in told.items() if d.p < 0.05 and d.difference > 0]
    down = [k for k, d in told.items() if d.p < 0.05 and d.difference < 0]
    text = f"Better on {', '.join(up) or 'nothing'}; worse on {', '.join(down) or 'nothing'}"
    text += " (p < 0.05, corrected)"
    text += f"; no verdict on {', '.join(alone)}, measured by what trained." if alone else "."
    return {"passed": bool(up) and not down, "sentence": text}


def table(roles: Mapping[str, Role], requests: Mapping[str, int]) -> dict[str, Any]:
    """Who trains and who measures each principle; below, what was asked of endpoints."""
    rows: list[list[str]] = [[name, WORDS[r.trains], _measured(r)] for name, r in roles.items()]
    asked = ", ".join(f"{n:,} {k}" for k, n in requests.items() if n)
    return {
        "title": "Who judged",
        "caption": f"Asked of endpoints: {asked}." if asked else "",
        "columns": ["principle", "trained by", "measured by"],
        "rows": rows,
    }


def _measured(role: Role) -> str:
    return f"{WORDS[role.measures]}: {role.named}" if role.named else WORDS[role.measures]
