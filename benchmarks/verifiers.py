"""100,000 verifier checks: IFEval's instructions, mathematical answers, regular expressions, JSON schemas.

    python benchmarks/verifiers.py [--checks 100000] [--shared ../shared]

A quarter of each, through `VerifiableJudge` as a job would run them: answers are pieces of this repository's
documentation, numbers and expressions, and JSON objects, half of them right. With the folder of public data
beside the checkout, IFEval's own prompts and settings are taken; else settings of the same kinds. Code is not
run: that is a process each. CPU and wall seconds; the last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import time
from pathlib import Path
from typing import Any

from truenorth.judges.verifiable import VerifiableJudge, ifeval_rows
from truenorth.records import Group

DOCS = sorted((Path(__file__).parents[1] / "docs").glob("*.md"))
INSTRUCTIONS: list[tuple[str, dict[str, Any]]] = [
    ("length_constraints:number_words", {"relation": "at least", "num_words": 40}),
    ("length_constraints:number_sentences", {"relation": "less than", "num_sentences": 5}),
    ("keywords:existence", {"keywords": ["judge", "model"]}),
    ("keywords:forbidden_words", {"forbidden_words": ["never", "always"]}),
    ("detectable_format:number_bullet_lists", {"num_bullets": 3}),
    ("change_case:english_lowercase", {}),
    ("punctuation:no_comma", {}),
    ("startend:quotation", {}),
]
SCHEMA = {
    "type": "object",
    "required": ["name", "age", "tags"],
    "properties": {
        "name": {"type": "string", "minLength": 2, "pattern": "^[A-Z]"},
        "age": {"type": "integer", "minimum": 0, "maximum": 130},
        "tags": {"type": "array", "items": {"enum": ["a", "b", "c"]}, "uniqueItems": True, "maxItems": 3},
    },
    "additionalProperties": False,
}
SUMS = [
    "{n}",
    "\\boxed{{{n}}}",
    "The answer is {n}.",
    "{n}.0",
    "\\frac{{{m}}}{{2}}",
    "x + {n} = 2x, so x = {n}",
    "{big}",
]
PATTERNS = [r"^\w+", r"\bmodels?\b.*\bjudges?\b", r"\d{2,}", r"(?i)intervals?"]


def answers(count: int, chance: random.Random) -> list[str]:
    words = " ".join(path.read_text() for path in DOCS).split(" ")
    starts = [chance.randrange(len(words) - 120) for _ in range(count)]
    return [" ".join(words[s : s + chance.randint(20, 120)]) for s in starts]


def ifeval(count: int, shared: Path, chance: random.Random) -> tuple[list[Any], list[str]]:
    """IFEval's prompts again and again, each with another text, until their instructions are so many."""
    path = shared / "data" / "ifeval" / "input_data.jsonl"
    if path.is_file():
        rows = ifeval_rows([json.loads(line) for line in path.read_text().splitlines()])
    else:
        rows = [
            (name, [{"ifeval": {"instruction": name, "settings": kwargs}}]) for name, kwargs in INSTRUCTIONS
        ]
    chosen, left = [], count
    while left > 0:
        prompt, checks = rows[len(chosen) % len(rows)]
        chosen.append((f"{prompt} ({len(chosen)})", checks[:left]))
        left -= len(checks)
    return chosen, answers(len(chosen), chance)


def others(count: int, chance: random.Random) -> list[tuple[str, list[Any], str]]:
    """(prompt, its check, an answer): mathematics, patterns and schemas in turn."""
    texts, rows = answers(count // 3 + 1, chance), []
    for i in range(count):
        if i % 3 == 0:
            n = chance.randrange(1, 100_000)
            right = n if chance.random() < 0.5 else n + 1
            said = chance.choice(SUMS).format(n=n, m=2 * n, big=f"{n:,}")
            rows.append((f"sum {i}", [{"math_answer": {"answer": str(right)}}], said))
        elif i % 3 == 1:
            rows.append((f"text {i}", [{"require": {"answer": chance.choice(PATTERNS)}}], texts[i // 3]))
        else:
            age = chance.choice([7, 130, 131, -1, 2.5])
            said = json.dumps(
                {"name": chance.choice(["Anna", "b"]), "age": age, "tags": chance.sample("abcd", 2)}
            )
            rows.append((f"object {i}", [{"json_schema": {"schema": SCHEMA}}], said))
    return rows


def timed(judge_rows: list[Any], texts: list[str]) -> dict[str, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    judge = VerifiableJudge(judge_rows)
    judged = judge.judge([Group(prompt, [text]) for (prompt, _), text in zip(judge_rows, texts, strict=True)])
    parts = [p.score for [one] in judged for p in one.parts]
    return {
        "checks": len(parts),
        "share right": round(sum(s or 0 for s in parts) / len(parts), 3),
        "unscored": sum(s is None for s in parts),
        "cpu_s": round(time.process_time() - cpu, 2),
        "wall_s": round(time.perf_counter() - wall, 2),
    }


def main() -> None:
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=plain)
    parser.add_argument("--checks", type=int, default=100_000)
    parser.add_argument("--shared", type=Path, default=Path(__file__).parents[2] / "shared")
    given = parser.parse_args()
    chance, found = random.Random(0), {}
    found["IFEval"] = timed(*ifeval(given.checks // 4, given.shared, chance))
    rest = others(given.checks - given.checks // 4, chance)
    for name in ("sum", "text", "object"):
        mine = [row for row in rest if row[0].startswith(name)]
        found[{"sum": "mathematics", "text": "patterns", "object": "JSON schema"}[name]] = timed(
            [(p, c) for p, c, _ in mine], [said for _, _, said in mine]
        )
    total = {k: round(sum(f[k] for f in found.values()), 1) for k in ("checks", "cpu_s", "wall_s")}
    for name, value in {**found, "all": total}.items():
        print(f"{name:12} {value}")
    about = {"load": os.getloadavg()[0], "cores": os.cpu_count(), "python": platform.python_version()}
    print(json.dumps({"benchmark": "verifiers", "all": total, **found, **about}))


if __name__ == "__main__":
    main()
