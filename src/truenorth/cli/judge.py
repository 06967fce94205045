"""Judges: what there is, and how good one is.

truenorth judge list                              the kinds of judges and the checks
truenorth judge card JUDGE --labels labels.jsonl  agreement with people, biases, attacks, cost, and a verdict

JUDGE is a YAML file (kind, model, settings), a constitution, check:NAME, people:FILE (a queue that `truenorth annotate
FILE` serves), refusal, a saved reward head's folder, or package.module:Name of your own (with --allow-code).
Labels are JSONL: prompt, completion, label; or prompt, chosen, rejected. The exit status is 1 if the card refuses.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from truenorth.base import UserError, write_json
from truenorth.cli import exits


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="list|card")
    listed = actions.add_parser("list", help="kinds of judges and checks, one a line")
    card = actions.add_parser("card", help="measure a judge against people's labels")
    card.add_argument(
        "judge",
        metavar="JUDGE",
        help="a YAML file, a constitution, check:NAME, people:FILE, refusal, or a folder",
    )
    card.add_argument("--labels", required=True, type=Path, metavar="FILE", help="people's labels, JSONL")
    card.add_argument(
        "--threshold", type=float, default=0.5, metavar="X", help="above it a verdict is good (0.5)"
    )
    card.add_argument(
        "--own", default="", metavar="NAME", help="the judge's own model among the labels' `model`"
    )
    card.add_argument(
        "--most", type=int, default=40, metavar="N", help="answers in the audits of dress and attacks (40)"
    )
    card.add_argument("--no-attacks", action="store_true", help="leave the attacks out")
    card.add_argument("--allow-code", action="store_true", help="run code that JUDGE names")
    card.add_argument("--json", action="store_true", help="print JSON instead of a table")
    card.add_argument("--out", type=Path, metavar="FILE", help="also write the card there, as JSON")
    for action in (listed, card):
        action.add_argument(
            "--quiet",
            "-q",
            action="store_true",
            default=argparse.SUPPRESS,
            help="of a card, the verdict only",
        )


def run(args: argparse.Namespace) -> int:
    """Do what the command line says; returns the exit status."""
    return run_list() if args.action == "list" else run_card(args)


def run_list() -> int:
    """Print what there is."""
    from truenorth.judges.spec import KINDS, check_names

    for name, about in KINDS.items():
        print(f"{name:14}{about}")
    for name in check_names():
        print(f"check:{name}")
    return exits.OK


def run_card(args: argparse.Namespace) -> int:
    """Make a judge's card, print it, and say whether it passes."""
    from truenorth.judges.audit import audit, read_labelled
    from truenorth.judges.spec import open_judge

    if args.most < 1:
        raise UserError(f"{args.most}", where="--most", expected="1 or more")
    labelled = read_labelled(args.labels)
    if not labelled.labels:
        raise UserError("no labels", where=str(args.labels), expected="at least one row")
    if args.own and args.own not in labelled.writers:
        known = ", ".join(sorted({w for w in labelled.writers if w}))
        expected = f"one of {known}" if known else "labels with a `model`, which says who wrote the answer"
        raise UserError(f"no answer by {args.own!r}", where="--own", expected=expected)
    judge = open_judge(args.judge, allow_code=args.allow_code)
    how = {"threshold": args.threshold, "most": args.most, "attacked": not args.no_attacks}
    made = audit(judge, labelled.labels, writers=labelled.writers, own=args.own, **how)
    if args.out:
        write_json(args.out, plain(made))
    if args.json:
        print(json.dumps(plain(made), indent=2, ensure_ascii=False))
    else:
        for line in lines(made)[-1 if args.quiet else 0 :]:
            print(line)
    return exits.OK if made["passed"] else exits.FAILED


def plain(value: Any) -> Any:
    """The card for JSON: nan is null."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return None if isinstance(value, float) and value != value else value


def lines(made: dict[str, Any]) -> list[str]:
    """The card as people read it."""
    shown = [
        f"judge         {made['judge']}",
        f"labels        {made['n']}, {made['good']:.0%} of them good; no verdict on {made['abstained']}",
    ]
    names = ("accuracy", "kappa", "krippendorff", "sensitivity", "specificity", "repeatability", "verbosity")
    shown += [f"{name:14}{_estimate(made[name])}" for name in names]
    known = made["ece"] == made["ece"]
    shown.append(
        f"{'calibration':14}" + (f"ECE {made['ece']:.3f}, AUC {made['auc']:.3f}" if known else "cannot tell")
    )
    if at := made.get("position"):
        shown.append(
            f"{'position':14}consistent {_estimate(at['consistent'])}; first {_estimate(at['prefers_first'])}"
        )
    for name, found in made.get("format", {}).items():
        shown.append(f"{name:14}{_moved(found)}")
    if padding := made.get("padding"):
        shown.append(f"{'padding':14}{_moved(padding)}")
    if own := made.get("self_preference"):
        shown.append(f"{'own answers':14}overrated by {_estimate(own)}")
    if attacks := made.get("attacks"):
        for name, about in (
            ("flipped", "verdicts turned"),
            ("nothing", "empty phrases"),
            ("beaten", "pairs turned"),
        ):
            if attacks[name] and attacks[name]["n"]:
                shown.append(f"{'attacks':14}{about} {_estimate(attacks[name])}")
        worst = sorted(attacks["by_attack"].items(), key=lambda pair: -pair[1])[:3]
        shown += [f"{'':14}falls for {name!r}: {share:.0%}" for name, share in worst if share > 0]
    cost = made["cost"]
    shown.append(f"{'cost':14}{cost['seconds']:.2f} s for {cost['verdicts']} verdicts")
    if made.get("waiting"):
        shown.append(f"{'people':14}{made['waiting']}")
    shown.append(f"{'PASS' if made['passed'] else 'REFUSED':14}{made['reason']}")
    return shown


def _moved(e: dict[str, Any]) -> str:
    return _estimate(e) if e["mean"] != e["mean"] else f"moves the score by {_estimate(e)}"


def _estimate(e: dict[str, Any]) -> str:
    if e["mean"] != e["mean"]:  # nothing to compute it from
        return f"cannot tell (n {e['n']})"
    return f"{e['mean']:.3f} [{e['low']:.3f}, {e['high']:.3f}] (n {e['n']})"
