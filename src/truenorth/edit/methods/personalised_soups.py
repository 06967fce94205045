"""Personalised soups: the policies of the preferences a person chose, in equal parts."""

from __future__ import annotations

from collections.abc import Sequence

from truenorth.edit.arrays import Array
from truenorth.edit.method import reads
from truenorth.edit.methods.linear import linear


@reads("elements")
def personalised_soups(tensors: Sequence[Array]) -> Array:
    """The mean of the policies, one for each preference that was asked for.

    Source: Jang et al. 2023 (arXiv:2310.11564), section 4.2 (there of LoRA factors; here of the whole weights).
    """
    return linear(tensors, weight=[1.0] * len(tensors))
