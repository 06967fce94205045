"""Compute what merges and edits want to know of a model: Fisher information, Gram matrices, scores.

    truenorth statistics fisher rows.jsonl --model DIR --out fisher.safetensors
    truenorth statistics gram rows.jsonl --model DIR --out gram.safetensors --budget 2GB

Rows have `prompt`, and `completion` where the answer is what counts. The file has a tensor of each weight's name; a
merge takes it as `fisher: FILE` beside `model:`, an edit as `--with NAME=FILE`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from truenorth.base import UserError
from truenorth.cli import exits

KINDS = {
    "fisher": "diagonal Fisher information of every weight, for `fisher` merges",
    "gram": "Gram matrices of each matrix's inputs, for `regmean` merges and actsvd",
    "snip": "|w dL/dw|, for critical_weights and safe_patching",
    "wanda": "|w| times the length of its input, for critical_weights",
    "neurons": "effect size of each neuron between two files of prompts, for critical_neurons",
    "contrast": "how differently the aligned model uses each neuron on the answers, for critical_neurons",
    "gradient": "of the prompts' hidden states towards the aligned model's, for restore",
}
NEEDS = {"other": ("neurons",), "aligned": ("gradient", "contrast")}  # option -> the kinds that take it


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The kind, the rows, the model, and where to write."""
    kinds = "; ".join(f"{name}: {about}" for name, about in KINDS.items())
    parser.add_argument("kind", metavar="KIND", choices=KINDS, help=kinds)
    parser.add_argument("rows", metavar="ROWS", help="JSONL, JSON, Parquet, a folder, or a hub id")
    parser.add_argument("--model", required=True, metavar="DIR_OR_ID", help="the model; base+lora too")
    parser.add_argument("--out", required=True, type=Path, metavar="FILE", help="a .safetensors file")
    parser.add_argument("--other", default="", metavar="ROWS", help="of neurons: the prompts to compare with")
    parser.add_argument("--aligned", metavar="DIR_OR_ID", help="of gradient and contrast: the aligned model")
    parser.add_argument(
        "--budget", default="1GB", metavar="SIZE", help="of Gram matrices held at a time (1GB); one pass each"
    )


def run(args: argparse.Namespace) -> int:
    """Compute, write, print the file's name."""
    from truenorth.edit.planning import size_of
    from truenorth.recipes.edit_models import loaded, merged
    from truenorth.recipes.edit_statistics import Data, write_statistics
    from truenorth.records.tables import read_rows

    check(args)
    budget = size_of(args.budget, "--budget")
    data = Data(read_rows(args.rows), read_rows(args.other) if args.other else ())
    aligned = loaded(args.aligned) if args.aligned else None
    write_statistics(args.kind, merged(loaded(args.model)), data, aligned, args.out, budget=budget)
    print(args.out)
    return exits.OK


def check(args: argparse.Namespace) -> None:
    """Refuse what cannot work, or would do nothing, before anything is loaded."""
    if args.out.exists():
        raise UserError("this already exists", where=str(args.out), fix="choose another name, or remove it")
    if args.out.suffix != ".safetensors":
        expected = "a name that ends in .safetensors"
        raise UserError(f"a file named {args.out.name!r}", where="--out", expected=expected)
    for option, kinds in NEEDS.items():
        if getattr(args, option) and args.kind not in kinds:
            raise UserError(f"{args.kind} has no use for it", where=f"--{option}", fix="leave it out")
        if not getattr(args, option) and args.kind in kinds:
            about = "the prompts to compare with" if option == "other" else "the aligned model"
            raise UserError(f"{args.kind} needs {about}", fix=f"add --{option}")
    try:
        args.out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"cannot write ({error.strerror})", where=str(args.out), fix="choose another folder"
        ) from error
