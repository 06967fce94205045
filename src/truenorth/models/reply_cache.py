"""Replies kept on disk by what was asked, so that a killed job asks only for what it does not have."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from types import TracebackType

from truenorth.base import UserError


class ReplyCache:
    """A key-value file (SQLite, write-ahead log). Several processes may share it; keys are hashes."""

    def __init__(self, path: str | Path):
        """Raises: UserError: the file cannot be opened, or is something else."""
        self.path = Path(path)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(self.path, isolation_level=None, timeout=30, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode=WAL")
            # Survives a killed process; a power cut may cost the last replies, never the file.
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.execute(
                "CREATE TABLE IF NOT EXISTS replies (key TEXT PRIMARY KEY, reply BLOB) WITHOUT ROWID"
            )
        except (OSError, sqlite3.Error) as error:
            fix = "choose another file, or free space"
            raise UserError(
                f"cannot use it as a cache of replies ({error})", where=str(path), fix=fix
            ) from error

    def get(self, key: str) -> bytes | None:
        row = self._db.execute("SELECT reply FROM replies WHERE key = ?", (key,)).fetchone()
        return None if row is None else row[0]

    def put(self, key: str, reply: bytes) -> None:
        """Raises: UserError: the disk is full or read-only."""
        try:
            self._db.execute("INSERT OR REPLACE INTO replies VALUES (?, ?)", (key, reply))
        except sqlite3.Error as error:
            fix = "free space and start again: nothing that was stored is lost"
            raise UserError(f"cannot store a reply ({error})", where=str(self.path), fix=fix) from error

    def close(self) -> None:
        self._db.close()

    def __enter__(self) -> ReplyCache:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
