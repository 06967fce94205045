"""Numbers with intervals: rates, means, paired comparisons, agreement, power, debiased judges."""

from truenorth.stats.agreement import ece, kappa
from truenorth.stats.estimate import Estimate, clopper_pearson, mean, rate, ratio, wilson
from truenorth.stats.paired import Paired, holm, mcnemar, paired, sign_flip
from truenorth.stats.power import Kept, detectable, kept, needed_n, needed_n_mean, needed_n_paired
from truenorth.stats.ppi import ppi_mean

__all__ = [
    "Estimate",
    "Kept",
    "Paired",
    "clopper_pearson",
    "detectable",
    "ece",
    "holm",
    "kappa",
    "kept",
    "mcnemar",
    "mean",
    "needed_n",
    "needed_n_mean",
    "needed_n_paired",
    "paired",
    "ppi_mean",
    "rate",
    "ratio",
    "sign_flip",
    "wilson",
]
