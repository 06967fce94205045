"""The ground the house stands on: errors people can read, atomic files, seeds, and the catalogue."""

from truenorth.base.catalogue import find, names
from truenorth.base.errors import UserError, missing_extra
from truenorth.base.files import content_hash, read_jsonl, write_bytes, write_json, write_jsonl, write_text
from truenorth.base.seeds import seed_of, uniform

__all__ = [
    "UserError",
    "content_hash",
    "find",
    "missing_extra",
    "names",
    "read_jsonl",
    "seed_of",
    "uniform",
    "write_bytes",
    "write_json",
    "write_jsonl",
    "write_text",
]
