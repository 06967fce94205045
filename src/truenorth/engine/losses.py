"""A bound on what may get lost: errors, refusals and abstentions above a stated share fail the run."""

from __future__ import annotations

from truenorth.base import UserError


class TooManyLosses(UserError):
    """More was lost than allowed. Faces exit 3: the input may be fine, the endpoint or the judge was not."""

    exit_status = 3


def bound_losses(what: str, lost: int, of: int, *, share: float) -> None:
    """Refuse to go on when more than `share` (a fraction) of `of` items were lost.

    Raises:
        TooManyLosses: with the numbers.

    >>> bound_losses("answers without a verdict", 3, 100, share=0.05)
    """
    if of and lost > share * of:
        raise TooManyLosses(
            f"{lost:,} of {of:,} {what} ({lost / of:.1%})",
            expected=f"at most {share:.1%}",
            fix="look at the first errors in the run, or allow more with --max-losses",
        )
