"""Copies of evaluations and of protected texts: `truenorth data decontaminate` and `index`."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from truenorth.base import UserError, open_text
from truenorth.cli import exits

if TYPE_CHECKING:
    from truenorth.synth.sieve import Decide


def decider(args: argparse.Namespace) -> Decide:
    """One decider of all that is given; the first reason counts."""
    from truenorth.synth.copied import copied, evaluations
    from truenorth.synth.decontaminate import contaminated, load_heldout
    from truenorth.synth.ngram_index import NgramIndex
    from truenorth.synth.sieve import all_of, columns_of, texts_of

    deciders: list[Decide] = []
    if args.against:
        items = {}
        for name, column, path in _apart(args.against, "--against"):
            items[name] = list(texts_of(path, columns_of(path, [column] if column else [])))
        found = evaluations(items)
        for name, many in found.too_short.items():
            if many and not args.quiet:
                print(
                    f"{name}: {many:,} of {len(items[name]):,} items have fewer than four words and are not looked for"
                )
        deciders.append(lambda texts: contaminated(texts, found))
    if args.heldout:
        heldout = load_heldout(args.heldout)
        deciders.append(lambda texts: contaminated(texts, heldout))
    if args.copyright:
        index = NgramIndex.open(args.copyright)
        deciders.append(lambda texts: copied(texts, index))
    if not deciders:
        raise UserError(
            "nothing to look for", fix="give --against NAME=FILE, --heldout FILE or --copyright FOLDER"
        )
    return all_of(deciders)


def _named(text: str) -> tuple[str, str, Path]:
    """NAME=FILE or NAME:COLUMN=FILE; a file alone is named after itself."""
    named, equals, path = text.partition("=")
    if not equals:
        return Path(text).stem, "", Path(text)
    name, _, column = named.partition(":")
    if not name or not path:
        raise UserError(f"{text!r} names no file", expected="NAME=FILE or NAME:COLUMN=FILE")
    return name, column, Path(path)


def _apart(given: Sequence[str], where: str) -> list[tuple[str, str, Path]]:
    """What is named, each under a name of its own.

    Raises:
        UserError: two of one name, of which only the last would count.
    """
    read = [_named(text) for text in given]
    named = Counter(name for name, _, _ in read)
    if twice := [name for name, many in named.items() if many > 1]:
        what = f"{named[twice[0]]} files are called {twice[0]!r}"
        raise UserError(what, where=where, fix="give each a name of its own, as NAME=FILE")
    return read


def run_index(args: argparse.Namespace) -> int:
    """Index the corpora that texts are later held against."""
    from truenorth.synth.ngram_index import NgramIndex
    from truenorth.synth.sieve import columns_of, texts_of

    corpora = {}
    for name, column, path in _apart(args.file, "index"):
        if path.suffix == ".txt":
            corpora[name] = _paragraphs(path)
        else:
            corpora[name] = texts_of(path, columns_of(path, [column] if column else []))
    made = NgramIndex.build(corpora, args.out, sizes=[args.words])
    if not args.quiet:
        print(f"{args.out}: {len(made.hash_R):,} runs of {args.words} words from {', '.join(made.names)}")
    return exits.OK


def _paragraphs(path: Path) -> Iterator[str]:
    """A text in pieces of a thousand lines that overlap, so that it need not fit in memory.

    Raises:
        UserError: not readable.
    """
    with open_text(path, encoding="utf-8-sig", newline=None) as file:
        tail: list[str] = []
        while lines := list(islice(file, 1000)):
            yield "".join([*tail, *lines])
            tail = lines[-20:]
