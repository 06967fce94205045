"""Judges value answers. One protocol; checks, consistency, log-prob, reward-model and endpoint judges."""

from truenorth.judges.protocol import Judge

__all__ = ["Judge"]
