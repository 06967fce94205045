"""Methods of any kind on the organism, side by side, from one table of presets, with gold scores."""

from truenorth.gallery.cells import Size, run_gallery
from truenorth.gallery.presets import Preset, presets
from truenorth.gallery.table import Entry, Gallery

__all__ = ["Entry", "Gallery", "Preset", "Size", "presets", "run_gallery"]
