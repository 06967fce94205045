"""Measuring models: scores by principle, paired comparisons, discretion, multiple choice, KL, perplexity, length."""

from truenorth.measure.compare import Comparison, capabilities, compare
from truenorth.measure.discretion import Discretion, discrepancy, discretion
from truenorth.measure.evaluate import evaluate
from truenorth.measure.kl import KL, kl
from truenorth.measure.length import Length, length
from truenorth.measure.multiple_choice import MultipleChoice, Question, multiple_choice
from truenorth.measure.perplexity import Perplexity, perplexity
from truenorth.measure.repetition import Repetition, repetition
from truenorth.measure.scores import Answer, Item, Scores, pool

__all__ = [
    "KL",
    "Answer",
    "Comparison",
    "Discretion",
    "Item",
    "Length",
    "MultipleChoice",
    "Perplexity",
    "Question",
    "Repetition",
    "Scores",
    "capabilities",
    "compare",
    "discrepancy",
    "discretion",
    "evaluate",
    "kl",
    "length",
    "multiple_choice",
    "perplexity",
    "pool",
    "repetition",
]
