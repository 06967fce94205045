"""Numbers with intervals: rates, means, paired comparisons, agreement, ratings, power, debiased judges."""

from truenorth.stats.agreement import ece, kappa
from truenorth.stats.bootstrap import bootstrap
from truenorth.stats.bounds import bounds, paired_bounds
from truenorth.stats.brier import brier, murphy
from truenorth.stats.corrected import rogan_gladen
from truenorth.stats.crowd import Crowd, dawid_skene, group_bias
from truenorth.stats.detection import Detection, auroc, average_precision, detection
from truenorth.stats.difficulty import Difficulty, difficulties, difficulties_given, length_effect
from truenorth.stats.elo import elo
from truenorth.stats.estimate import Estimate, clopper_pearson, mean, rate, ratio, wilson
from truenorth.stats.hits import hit_at, hit_curve
from truenorth.stats.length_control import controlled, length_feature
from truenorth.stats.margins import (
    Margin,
    equivalent,
    non_inferior,
    paired_rates_difference,
    rates_difference,
)
from truenorth.stats.multiple import bh, by
from truenorth.stats.paired import Paired, holm, mcnemar, paired, sign_flip
from truenorth.stats.planning import (
    detectable_paired,
    detectable_rates,
    needed_n_margin,
    power_paired,
    power_rates,
)
from truenorth.stats.power import Kept, detectable, kept, needed_n, needed_n_mean, needed_n_paired
from truenorth.stats.ppi import ppi_mean
from truenorth.stats.ranked_pairs import ranked_pairs
from truenorth.stats.ratings import Ladder, Rated, bradley_terry
from truenorth.stats.reliability import fleiss, krippendorff
from truenorth.stats.sequential import (
    Evidence,
    anytime_mean,
    anytime_paired,
    anytime_rate,
    e_at_most,
    e_mcnemar,
)

__all__ = [
    "Crowd",
    "Detection",
    "Difficulty",
    "Estimate",
    "Evidence",
    "Kept",
    "Ladder",
    "Margin",
    "Paired",
    "Rated",
    "anytime_mean",
    "anytime_paired",
    "anytime_rate",
    "auroc",
    "average_precision",
    "bh",
    "bootstrap",
    "bounds",
    "bradley_terry",
    "brier",
    "by",
    "clopper_pearson",
    "controlled",
    "dawid_skene",
    "detectable",
    "detectable_paired",
    "detectable_rates",
    "detection",
    "difficulties",
    "difficulties_given",
    "e_at_most",
    "e_mcnemar",
    "ece",
    "elo",
    "equivalent",
    "fleiss",
    "group_bias",
    "hit_at",
    "hit_curve",
    "holm",
    "kappa",
    "kept",
    "krippendorff",
    "length_effect",
    "length_feature",
    "mcnemar",
    "mean",
    "murphy",
    "needed_n",
    "needed_n_margin",
    "needed_n_mean",
    "needed_n_paired",
    "non_inferior",
    "paired",
    "paired_bounds",
    "paired_rates_difference",
    "power_paired",
    "power_rates",
    "ppi_mean",
    "ranked_pairs",
    "rate",
    "rates_difference",
    "ratio",
    "rogan_gladen",
    "sign_flip",
    "wilson",
]
