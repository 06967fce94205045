"""What `truenorth annotate` tells of the people who label: how far they agree, and how each of them labels."""

from __future__ import annotations

import argparse
from pathlib import Path

from truenorth.base import UserError
from truenorth.cli import exits


def run_agreement(path: Path) -> int:
    """Print how far people agree, kind by kind."""
    from truenorth.records.label_agreement import SCALES, agreement
    from truenorth.records.label_store import LabelStore

    with LabelStore(path, create=False) as store:
        labels = store.annotations().labels
    for kind in SCALES:
        found = agreement(labels, kind)
        if found.items:
            pair = f"; kappa {found.kappa}" if found.kappa else ""
            print(
                f"{kind:8} {found.people} people, {found.items} in common; alpha {found.alpha}; same {found.same}{pair}"
            )
        else:
            print(f"{kind:8} nothing that two people labelled")
    return exits.OK


def run_people(args: argparse.Namespace, path: Path) -> int:
    """Print how each person labels, and who treats one group's answers otherwise than the others do."""
    from truenorth.records.label_bias import groups_of, leanings
    from truenorth.records.label_people import people
    from truenorth.records.label_store import LabelStore

    with LabelStore(path, create=False) as store:
        found = people(store.labels(), store.gold())
        if not found:
            raise UserError("nobody has labelled anything", where=str(path))
        lines = [str(person) for person in found]
        if args.groups:
            file, _, column = args.groups.partition(":")
            groups = groups_of(Path(file), column or "group", store.tasks(), store.answers())
            told = [str(one) for one in leanings(store.labels(), store.gold(), groups)]
            lines += told or ["groups: nobody said of both what others said too"]
    print("\n".join(lines))
    return exits.OK
