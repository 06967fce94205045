"""Editing weights: pure methods over named tensors, a plan made from headers, and a stream that carries it out."""

from truenorth.edit.apply import apply
from truenorth.edit.config import Config
from truenorth.edit.config_reader import parse, read_config
from truenorth.edit.plan import Plan
from truenorth.edit.planning import make_plan
from truenorth.edit.stream import merge

__all__ = ["Config", "Plan", "apply", "make_plan", "merge", "parse", "read_config"]
