"""Models answer. One protocol; local transformers, HTTP endpoints and scripted ones behind it."""

from truenorth.models.local import LocalModel
from truenorth.models.protocol import Model, Tick

__all__ = ["LocalModel", "Model", "Tick"]
