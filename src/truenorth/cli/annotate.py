"""A local page where people rank, rate, approve, edit and flag answers, blind; labels out and in.

truenorth annotate runs/mine                              the page, over the run's answers
truenorth annotate answers.jsonl --ask rate               the page, over a table of prompts and answers
truenorth annotate queue.sqlite                           the page, over what a judge `people:queue.sqlite` asks
truenorth annotate runs/mine --export labels.jsonl        labels for `judge card --labels` and `align --labels`
truenorth annotate runs/mine --export votes.jsonl --as votes
truenorth annotate runs/mine --export tasks.json --as label-studio     (or argilla), and --import back

Labels are kept in RUN/labels.sqlite (FILE.labels.sqlite beside a table), one transaction each. The page is served
on this machine only; with --host elsewhere a key is asked for ($TRUENORTH_KEY, or one that is made and printed).
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from truenorth.base import UserError
from truenorth.cli import exits
from truenorth.cli.annotate_files import FOREIGN, FORMS, gathered, run_export, run_import
from truenorth.cli.annotate_people import run_agreement, run_people

if TYPE_CHECKING:
    from truenorth.records.label_store import LabelStore
    from truenorth.serve.gathering import Work
    from truenorth.serve.labelling import Ask, Criterion


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    parser.add_argument("source", metavar="RUN", type=Path, help="a run, a table of answers, or a queue")
    parser.add_argument(
        "--ask", choices=("rank", "rate", "approve"), help="what is asked first (default: rank)"
    )
    parser.add_argument(
        "--principle", default="", metavar="ID", help="judge by this principle of the constitution"
    )
    parser.add_argument("--constitution", metavar="FILE", help="where it is read (default: the run's own)")
    parser.add_argument(
        "--step", action="append", default=[], metavar="NAME", help="a step with answers (default: answers)"
    )
    parser.add_argument("--limit", type=int, default=100, metavar="N", help="prompts at most (100)")
    parser.add_argument("--answers", type=int, default=4, metavar="N", help="answers to a prompt at most (4)")
    parser.add_argument(
        "--votes", type=int, default=0, metavar="N", help="people per task (default: everybody)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the draw and of all orders (0)")
    parser.add_argument(
        "--host", default="127.0.0.1", metavar="NAME", help="address to listen on (127.0.0.1)"
    )
    parser.add_argument("--port", type=int, default=8640, metavar="N", help="port; 0 takes a free one (8640)")
    parser.add_argument("--store", type=Path, metavar="FILE", help="keep labels there instead")
    parser.add_argument("--export", type=Path, metavar="FILE", help="write the labels there and stop")
    parser.add_argument("--import", dest="bring", type=Path, metavar="FILE", help="take in labels and stop")
    parser.add_argument("--as", dest="form", choices=FORMS, metavar="FORM", help="one of " + ", ".join(FORMS))
    parser.add_argument(
        "--gold",
        type=Path,
        metavar="FILE",
        help="hide tasks with known answers among the others (label, or pairs)",
    )
    parser.add_argument(
        "--practice", type=int, default=0, metavar="N", help="gold tasks that everybody must pass first (0)"
    )
    parser.add_argument(
        "--review", action="store_true", help="the page over what people disagree on, no more"
    )
    parser.add_argument(
        "--reviewer",
        action="append",
        default=[],
        metavar="NAME",
        help="with --as consensus: this person's word holds",
    )
    parser.add_argument("--people", action="store_true", help="print how each person labels and stop")
    parser.add_argument(
        "--groups",
        metavar="FILE[:COLUMN]",
        help="with --people: who treats one group's answers otherwise (prompt, group; COLUMN: group)",
    )
    parser.add_argument("--agreement", action="store_true", help="print how far people agree and stop")


def run(args: argparse.Namespace) -> int:
    """Do what the command line says; returns the exit status."""
    check(args)
    path = args.store or store_path(args.source)
    if args.export:
        return run_export(args, path)
    if args.bring:
        return run_import(args, path)
    if args.agreement:
        return run_agreement(path)
    if args.people:
        return run_people(args, path)
    return run_page(args, path)


def check(args: argparse.Namespace) -> None:
    """Refuse what cannot work before anything is opened."""
    if args.export and args.bring:
        raise UserError("--export and --import together", fix="one at a time")
    if args.form and not (args.export or args.bring):
        raise UserError("--as without --export or --import", where="--as")
    if args.bring and args.form not in FOREIGN:
        raise UserError("which format is it?", where="--import", fix=f"--as {' or --as '.join(FOREIGN)}")
    for name, least in (("limit", 1), ("answers", 1), ("votes", 0), ("practice", 0)):
        if (given := getattr(args, name)) < least:
            raise UserError(f"{given}", where=f"--{name}", expected=f"{least} or more")
    if args.reviewer and args.form != "consensus":
        raise UserError("--reviewer is for --as consensus", where="--reviewer")
    if args.groups and not args.people:
        raise UserError("--groups without --people", where="--groups", fix="--people")
    if args.practice and not args.gold:
        raise UserError("there is nothing known to practise on", where="--practice", fix="--gold FILE")
    if not 0 <= args.port <= 65535:
        raise UserError(f"{args.port}", where="--port", expected="0 to 65535")
    if not args.source.exists():
        raise UserError("no such run or file", where=str(args.source))
    if args.step and not args.source.is_dir():
        raise UserError("a table has no steps", where="--step", fix="leave it out, or name a run")


def store_path(source: Path) -> Path:
    """Where the labels of a run, or of a table, are kept; a file of labels is its own."""
    from truenorth.records.label_store import is_store

    if is_store(source):
        return source
    return source / "labels.sqlite" if source.is_dir() else source.with_name(f"{source.stem}.labels.sqlite")


def run_page(args: argparse.Namespace, path: Path) -> int:
    """Serve the page until it is interrupted."""
    from truenorth.records.label_store import LabelStore, is_store
    from truenorth.serve.access import access_for
    from truenorth.serve.annotate import annotation_app
    from truenorth.serve.gathering import gather_gold
    from truenorth.serve.labelling import Desk
    from truenorth.serve.running import run as serve

    access, criterion, work = access_for(args.host), criterion_of(args), gathered(args)
    if args.gold:
        work = work.with_gold(gather_gold(args.gold))
    many = any(len(task.answers) > 1 for task in work.tasks)
    if args.ask == "rank" and not many:
        raise UserError(
            "every prompt has one answer only", where="--ask rank", fix="--ask rate, or --ask approve"
        )
    with LabelStore(path) as store:
        ask: Ask = args.ask or ("rank" if many else "approve")
        how = {"seed": args.seed, "votes": args.votes, "practice": args.practice}
        how["grows"] = is_store(args.source) and not args.review
        if args.review:
            work = reviewed(work, store, ask, criterion.principle)
        desk = Desk(store, work, ask=ask, criterion=criterion, **how)

        def say(address: str) -> None:
            print(
                f"{len(work.tasks):,} of {work.prompts:,} prompts, {len(work.answers):,} answers; labels in {path}"
            )
            print(f"open {address}   (Ctrl-C stops; what was said is kept)", flush=True)

        serve(annotation_app(desk, access), access, args.port, say=say)
        print(f"\n{len(store.labels()):,} labels in {path}")
    print(f"next: truenorth annotate {args.source} --export labels.jsonl")
    return exits.OK


def reviewed(work: Work, store: LabelStore, ask: Ask, principle: str) -> Work:
    """The tasks on which people disagree.

    Raises:
        UserError: there are none.
    """
    from truenorth.records.label_review import disputed

    open_ = set(disputed(store.labels(), ask, principle=principle))
    tasks = [task for task in work.tasks if task.id in open_]
    if not tasks:
        raise UserError(
            f"nobody disagrees ({ask})", where="--review", fix="--ask says which labels are compared"
        )
    return work._replace(tasks=tasks)


def criterion_of(args: argparse.Namespace) -> Criterion:
    """The principle to judge by, with its words.

    Raises:
        UserError: no constitution to read it from, or no such principle.
    """
    from truenorth.serve.labelling import Criterion

    if not args.principle:
        return Criterion()
    from truenorth.cli.why import constitution_of
    from truenorth.constitution import load
    from truenorth.engine import View

    is_run = (args.source / "manifest.json").is_file()
    found = constitution_of(View.read(args.source), args.constitution) if is_run else None
    if found is None and args.constitution:
        found = load(args.constitution, allow_code=True)  # read only: nothing that it names is run here
    if found is None:
        raise UserError("no constitution to read it from", where="--principle", fix="--constitution FILE")
    named = {p.id: p for p in found.principles}
    if args.principle not in named:
        raise UserError(
            f"no principle {args.principle!r}", where=found.label, expected="one of " + ", ".join(named)
        )
    p = named[args.principle]
    return Criterion(p.id, p.title, p.statement, found.label)
