"""Labels out of `truenorth annotate` and in: rows of many forms, and the files of other tools."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from truenorth.base import UserError
from truenorth.cli import exits

if TYPE_CHECKING:
    from truenorth.serve.gathering import Work

FORMS = ("labels", "consensus", "pairs", "edits", "flags", "rankings", "votes", "label-studio", "argilla")
FOREIGN = FORMS[-2:]


def run_export(args: argparse.Namespace, path: Path) -> int:
    """Write the labels as rows of the form asked for."""
    from truenorth.records.label_consensus import consensus
    from truenorth.records.label_rows import FORMS as ROWS
    from truenorth.records.label_store import LabelStore
    from truenorth.records.tables import write_table

    form = args.form or "labels"
    if form in FOREIGN:
        return export_foreign(args, path)
    with LabelStore(path, create=False) as store:
        how = {
            "consensus": partial(consensus, trials=store.trials(), gold=store.gold(), reviewers=args.reviewer)
        }
        rows = (ROWS | how)[form](store.annotations())
    if not rows:
        raise UserError(f"no {form} in the labels so far", where=str(path))
    print(f"{len(rows):,} {form} in {write_table(args.export, rows)}")
    return exits.OK


def export_foreign(args: argparse.Namespace, path: Path) -> int:
    """Write tasks and labels for another tool, and beside them the settings of its project."""
    from truenorth.base import write_json, write_text
    from truenorth.records.argilla import argilla_settings, to_argilla
    from truenorth.records.label_store import LabelStore
    from truenorth.records.label_studio import label_config, to_label_studio

    if args.export.suffix != ".json":
        raise UserError(
            f"a file named {args.export.name!r}", where="--export", expected="a name that ends in .json"
        )
    with LabelStore(path) as store:
        if not store.tasks():
            work = gathered(args)
            store.add_tasks(work.tasks, work.answers)
        found = store.annotations()
    if args.form == "argilla":
        settings = write_json(args.export.with_suffix(".settings.json"), argilla_settings(found))
        written = write_json(args.export, to_argilla(found))
    else:
        settings = write_text(args.export.with_suffix(".xml"), label_config(found))
        written = write_json(args.export, to_label_studio(found))
    print(f"{len(found.tasks):,} tasks and {len(found.labels):,} labels in {written}; settings in {settings}")
    return exits.OK


def run_import(args: argparse.Namespace, path: Path) -> int:
    """Take in the labels of another tool's file. What is known already is not taken in twice."""
    from truenorth.records.argilla import from_argilla
    from truenorth.records.label_store import LabelStore
    from truenorth.records.label_studio import from_label_studio
    from truenorth.records.tables import read_rows

    rows = read_rows(args.bring)
    read = from_argilla if args.form == "argilla" else from_label_studio
    with LabelStore(path, create=False) as store:
        found = read(rows, store.tasks(), where=str(args.bring))
        known = {label.place: label.value for label in store.labels()}
        fresh = [x for x in found.labels if x.place not in known or known[x.place] != x.value]
        store.add(*fresh)
    left = "".join(f"; {n} {what} left out" for what, n in found.left_out.items())
    print(f"{len(fresh):,} labels taken in, {len(found.labels) - len(fresh):,} known already{left}")
    return exits.OK


def gathered(args: argparse.Namespace) -> Work:
    """The tasks that the command line names: of a run, a table, or a queue."""
    from truenorth.records.label_store import LabelStore, is_store
    from truenorth.serve.gathering import gather, gather_queue

    if is_store(args.source):
        with LabelStore(args.source, create=False) as store:
            return gather_queue(store)
    how = {"steps": args.step, "principle": args.principle, "limit": args.limit, "answers": args.answers}
    return gather(args.source, seed=args.seed, **how)
