"""Runs: a directory of content-addressed steps that survives kills, with metrics, costs and progress."""

from truenorth.engine.atomic import link_or_copy, storage_errors, whole_folder, write_point, write_whole
from truenorth.engine.cost import Cost, meter
from truenorth.engine.fingerprint import fingerprint
from truenorth.engine.journal import Journal, read_journal
from truenorth.engine.losses import TooManyLosses, bound_losses
from truenorth.engine.manifest import machine, packages
from truenorth.engine.places import foreseen, forget
from truenorth.engine.progress import Bar, duration, progress, rate
from truenorth.engine.run import Run
from truenorth.engine.secrets import redact
from truenorth.engine.view import Found, Receipt, View

__all__ = [
    "Bar",
    "Cost",
    "Found",
    "Journal",
    "Receipt",
    "Run",
    "TooManyLosses",
    "View",
    "bound_losses",
    "duration",
    "fingerprint",
    "foreseen",
    "forget",
    "link_or_copy",
    "machine",
    "meter",
    "packages",
    "progress",
    "rate",
    "read_journal",
    "redact",
    "storage_errors",
    "whole_folder",
    "write_point",
    "write_whole",
]
