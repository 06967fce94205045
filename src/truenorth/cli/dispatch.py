"""Run one command: its module is imported now, its errors become one line, its end an exit status."""

from __future__ import annotations

import argparse
import difflib
import errno
import importlib
import io
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType, ModuleType
from typing import NoReturn

from truenorth.base import UserError
from truenorth.cli import exits
from truenorth.cli.main import commands

# What a machine refuses and people can mend; every other OSError is a fault of ours and keeps its traceback.
REFUSED = {
    getattr(errno, name)
    for name in "EACCES EPERM EROFS ENOSPC EDQUOT EFBIG EIO EISDIR ENOTDIR ENAMETOOLONG EMFILE".split()
}


# The least that options which are whole numbers may be, wherever they occur.
LEAST = {"seed": 0, "lora": 0, "items": 1, "rounds": 1, "threads": 1, "jobs": 1, "limit": 1, "words": 1}


class Parser(argparse.ArgumentParser):
    """argparse, with the same one-line errors as everything else."""

    def error(self, message: str) -> NoReturn:
        raise UserError(message, fix=self._nearest(message) or f"see {self.prog} --help")

    def _nearest(self, message: str) -> str:
        """The option that an unknown one was meant to be."""
        given = [word.partition("=")[0] for word in message.split() if word.startswith("--")]
        if not message.startswith("unrecognized arguments") or not given:
            return ""
        known = [name for name in self._option_string_actions if name.startswith("--")]
        near = difflib.get_close_matches(given[0], known, n=1, cutoff=0.7)
        return f"did you mean {near[0]}?" if near else ""


class Terminated(KeyboardInterrupt):
    """SIGTERM came: everything that cleans up after Ctrl-C does so now."""


@contextmanager
def _terminable() -> Iterator[None]:
    """Meanwhile SIGTERM ends the command as Ctrl-C does, unless somebody handles it already."""
    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    raise Terminated


def dispatch(name: str, words: Sequence[str]) -> int:
    """Run the command `name` with the arguments `words` and return the exit status."""
    os.environ.setdefault("HF_HUB_VERBOSITY", "error")  # its retries say nothing that our errors do not
    for stream in (sys.stdout, sys.stderr):  # a terminal that cannot show a letter ends no command
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        module = load(name)
        args = parser_of(module).parse_args(words)
        check_numbers(args)
        with _terminable():
            return module.run(args)
    except UserError as error:
        print(f"truenorth: {error}", file=sys.stderr)
        return getattr(error, "exit_status", exits.BAD_INPUT)
    except Terminated:
        print("\ntruenorth: terminated; the same command goes on from here", file=sys.stderr)
        return exits.TERMINATED
    except KeyboardInterrupt:
        print("\ntruenorth: interrupted; the same command goes on from here", file=sys.stderr)
        return exits.INTERRUPTED
    except BrokenPipeError:  # `truenorth ... | head`: nobody reads on; keep Python from flushing once more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exits.OK
    except OSError as error:
        if error.errno not in REFUSED:
            raise
        told = f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror)
        print(f"truenorth: {told}; free space, or choose another place", file=sys.stderr)
        return exits.BAD_INPUT


def check_numbers(args: argparse.Namespace) -> None:
    """Raise UserError for a whole number that is too small to mean anything."""
    for name, least in LEAST.items():
        given = getattr(args, name, None)
        if isinstance(given, int) and given < least:
            raise UserError(f"{given}", where=f"--{name}", expected=f"{least} or more")
    for name, given in vars(args).items():
        if isinstance(given, float) and given != given:
            raise UserError("nan", where=f"--{name.replace('_', '-')}", expected="a number")


def load(name: str) -> ModuleType:
    """The module of a command.

    Raises:
        UserError: no such command, with the nearest.
    """
    known = commands()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        fix = f"did you mean truenorth {near[0]}?" if near else "see truenorth --help"
        raise UserError(f"no command {name!r}", expected="one of " + ", ".join(known), fix=fix)
    return importlib.import_module(f"truenorth.cli.{name}")


def parser_of(module: ModuleType) -> Parser:
    """The argument parser of a command: what it adds, `--quiet`, and the exit statuses."""
    parser = Parser(
        prog=f"truenorth {module.__name__.rpartition('.')[2]}",
        description=module.__doc__,
        epilog=exits.TABLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        conflict_handler="resolve",  # a command may give --quiet a meaning of its own
    )
    parser.add_argument("--quiet", "-q", action="store_true", help="no progress, only results")
    module.add_arguments(parser)
    return parser
