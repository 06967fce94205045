"""Propose a recipe for what is at hand, with its cost and the reasons.

    truenorth plan
    truenorth plan --budget 10m
    truenorth plan --model DIR --constitution policy.yaml --prompts prompts.jsonl --labels rated.jsonl --budget 2h

It looks at the model, the constitution, labels, judge and prompts, runs nothing, and says what would be possible or
better with more.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from truenorth.base import UserError
from truenorth.cli import exits


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    parser.add_argument(
        "--model", metavar="DIR_OR_ID", help="a transformers model; default: the shipped organism"
    )
    parser.add_argument(
        "--constitution", metavar="FILE", help="YAML or Markdown, or the name of a shipped one"
    )
    parser.add_argument("--prompts", metavar="FILE", help="prompts to learn from")
    parser.add_argument("--labels", type=Path, metavar="FILE", help="answers that people rated")
    parser.add_argument("--judge", default="", metavar="openai:MODEL", help="an endpoint that judges")
    parser.add_argument("--base-url", default="", metavar="URL", help="its address, as a rule ending in /v1")
    parser.add_argument("--budget", metavar="TIME", help="time on the clock, such as 30m")
    parser.add_argument("--size", default="micro", metavar="NAME", help="of the organism (default micro)")


def run(args: argparse.Namespace) -> int:
    """Do what the command line says; returns the exit status."""
    from truenorth.recipes.plan import plan
    from truenorth.recipes.plan_inputs import inputs
    from truenorth.recipes.plan_words import described

    if args.model and not args.constitution:
        raise UserError("--model needs --constitution", fix="see truenorth plan --help")
    asked = inputs(args)
    found = plan(asked.have, asked.look, asked.settings, budget_s=asked.budget_s)
    print(described(found, asked.given, args.budget or ""))
    return exits.OK if found.proposals and found.proposals[0].fits else exits.FAILED
