"""Models answer. One protocol; local transformers, HTTP endpoints and scripted ones behind it."""

from truenorth.models.http import HttpModel
from truenorth.models.local import LocalModel
from truenorth.models.protocol import Model, Tick
from truenorth.models.scripted import ScriptedModel

__all__ = ["HttpModel", "LocalModel", "Model", "ScriptedModel", "Tick"]
