"""The ground the house stands on: errors people can read, atomic files, seeds, and the catalogue."""

from truenorth.base.catalogue import find, names
from truenorth.base.errors import UserError, missing_extra, unreadable
from truenorth.base.files import (
    content_hash,
    json_text,
    open_text,
    read_jsonl,
    suffix_of,
    without_halves,
    write_bytes,
    write_json,
    write_jsonl,
    write_text,
)
from truenorth.base.seeds import seed_of, uniform

__all__ = [
    "UserError",
    "content_hash",
    "find",
    "json_text",
    "missing_extra",
    "names",
    "open_text",
    "read_jsonl",
    "seed_of",
    "suffix_of",
    "uniform",
    "unreadable",
    "without_halves",
    "write_bytes",
    "write_json",
    "write_jsonl",
    "write_text",
]
