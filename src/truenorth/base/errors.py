"""One exception for everything that the person at the keyboard can mend."""

from __future__ import annotations


class UserError(Exception):
    """Bad input, refused before work starts. Faces print the message and exit 2; never a traceback.

    Args:
        what: what is wrong, with the offending value.
        where: file, row, field or option, as precisely as known.
        expected: what would have been right.
        fix: what to do now.
    """

    def __init__(self, what: str, *, where: str = "", expected: str = "", fix: str = ""):
        self.what, self.where, self.expected, self.fix = what, where, expected, fix
        parts = [f"{where}: {what}" if where else what]
        if expected:
            parts.append(f"expected {expected}")
        if fix:
            parts.append(fix)
        super().__init__("; ".join(parts))


def unreadable(path: object, error: Exception, *, fix: str = "") -> UserError:
    """The one message for a file that cannot be read, or is no text."""
    if isinstance(error, UnicodeDecodeError):
        what = f"not UTF-8 text (byte 0x{error.object[error.start]:02x} at {error.start:,})"
        return UserError(what, where=str(path), fix=fix or "save it as UTF-8")
    if isinstance(error, FileNotFoundError):
        return UserError("no such file", where=str(path), fix=fix)
    said = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return UserError(f"cannot read ({said})", where=str(path), fix=fix)


def missing_extra(package: str, extra: str) -> UserError:
    """The one message for an optional dependency that is not installed."""
    return UserError(f"{package} is not installed", fix=f"pip install 'truenorth[{extra}]'")
