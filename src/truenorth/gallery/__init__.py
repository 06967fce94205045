"""Methods of any kind on the organism, side by side, from one table of presets, with gold scores."""

from truenorth.gallery.cells import run_gallery
from truenorth.gallery.making import FAST, SETTINGS
from truenorth.gallery.presets import Preset, presets
from truenorth.gallery.table import Entry, Gallery

__all__ = ["FAST", "SETTINGS", "Entry", "Gallery", "Preset", "presets", "run_gallery"]
