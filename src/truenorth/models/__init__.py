"""Models answer. One protocol; local transformers, HTTP endpoints and scripted ones behind it."""

from truenorth.models.protocol import Model

__all__ = ["Model"]
