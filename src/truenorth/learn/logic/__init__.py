"""The logic of direct preference losses: what a loss says as a formula, and losses compiled from formulas.

Read an answer's probability as the chance that the model deems it valid: `w` for the chosen answer, `l` for the
rejected one, `rw` and `rl` for the reference model's view of them. Then the log-ratio inside a preference loss is
log [weight of the worlds that win / weight of the worlds that lose], each set of worlds the models of a formula.

Source: Richardson, Srikumar and Sabharwal 2025, "Understanding the logic of direct preference alignment through
logic" (arXiv:2412.17696). Its definitions (preference structures, the semantic loss, 4^(2^n) losses of n
predictions) were read in its summary; its tables were not at hand, so every reading here is checked against our
own losses by counting, not against the printed tables.
"""

from truenorth.learn.logic.compile import derive
from truenorth.learn.logic.formula import Formula, parse
from truenorth.learn.logic.reading import Explanation, Reading, explain, readings
from truenorth.learn.logic.structure import Structure

__all__ = ["Explanation", "Formula", "Reading", "Structure", "derive", "explain", "parse", "readings"]
