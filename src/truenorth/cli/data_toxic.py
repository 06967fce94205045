"""Toxic rows flagged by a filter that learns from some hundred labels: `truenorth data toxic`."""

from __future__ import annotations

import argparse
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from truenorth.base import UserError

if TYPE_CHECKING:
    from truenorth.synth.sieve import Decide
    from truenorth.synth.toxicity import Prefilter


def decider(args: argparse.Namespace) -> Decide:
    """A filter fitted on the labels, and on the first rows of the file itself, which have none."""
    from truenorth.synth.sieve import columns_of, texts_of
    from truenorth.synth.toxicity import two_stage

    if not 0 < args.recall < 1:
        raise UserError(f"{args.recall:g}", where="--recall", expected="above 0 and below 1")
    if args.learn < 0:
        raise UserError(f"{args.learn}", where="--learn", expected="0 or more")
    texts, labels = _labelled(args.labels, args.label, args.labels_column)
    known = set(texts)  # among them are those that set the threshold
    rows = texts_of(args.file, columns_of(args.file, args.column))
    own = list(islice((text for text in rows if text not in known), args.learn))
    found = two_stage(texts, labels, own, recall=args.recall, seed=args.seed)
    if not args.quiet:
        show(found)
    return found.flagged


def _labelled(path: Path, label: str, column: str | None) -> tuple[list[str], list[bool]]:
    """Texts and labels of the rows that have one.

    Raises:
        UserError: no such column, or a label that is neither true nor false, with its row.
    """
    from truenorth.records.batches import read_batches
    from truenorth.synth.balance import label_of
    from truenorth.synth.sieve import columns_of, text_of

    columns_of(path, [label])
    columns = columns_of(path, [column] if column else [])
    texts, labels, at = [], [], 0
    for batch in read_batches(path):
        for row in batch:
            try:
                told = label_of(row.get(label))
            except ValueError as error:
                raise UserError(str(error), where=f"{path}, row {at}, {label}") from error
            if told is not None:
                texts.append(text_of(row, columns))
                labels.append(told)
            at += 1
    return texts, labels


def show(found: Prefilter) -> None:
    """What it does on labels that it has not learned from."""
    recall, alarms = found.threshold.recall, found.threshold.alarms
    toxic, other = found.learned
    print(f"flags {recall} of toxic texts and {alarms} of others, on labels held out")
    print(f"learned without labels: {toxic:,} toxic and {other:,} other texts")
