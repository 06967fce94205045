"""Prompts and training rows: synthesis, filters and selection. Every row knows its parents."""

from truenorth.synth.answers import answers
from truenorth.synth.decontaminate import decontaminate, heldout_lines, load_heldout
from truenorth.synth.dedupe import dedupe
from truenorth.synth.filters import Filtered, funnel
from truenorth.synth.magpie import magpie
from truenorth.synth.novelty import novel, well_formed
from truenorth.synth.pairs import best_answers, pairs_from_scores
from truenorth.synth.rephrase import rephrase
from truenorth.synth.revise import Revision, Templates, revise
from truenorth.synth.self_instruct import self_instruct

__all__ = [
    "Filtered",
    "Revision",
    "Templates",
    "answers",
    "best_answers",
    "decontaminate",
    "dedupe",
    "funnel",
    "heldout_lines",
    "load_heldout",
    "magpie",
    "novel",
    "pairs_from_scores",
    "rephrase",
    "revise",
    "self_instruct",
    "well_formed",
]
