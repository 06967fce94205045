"""The names TRL 1.16 gives to what this catalogue has, so that its configs can be read."""

from __future__ import annotations

# `loss_type` of the DPO trainer
DPO_LOSS_TYPES = {
    "sigmoid": "dpo",
    "hinge": "hinge",
    "ipo": "ipo",
    "exo_pair": "exo_pair",
    "nca_pair": "nca_pair",
    "robust": "robust_dpo",
    "bco_pair": "bco_pair",
    "sppo_hard": "sppo_hard",
    "aot": "aot",
    "aot_unpaired": "aot_unpaired",
    "apo_zero": "apo_zero",
    "apo_down": "apo_down",
    "discopop": "discopop",
    "sft": "sft",
    "sigmoid_norm": "ln_dpo",
}
# of the KTO, CPO and TPO trainers; the ORPO trainer has one loss, `orpo`
KTO_LOSS_TYPES = {"kto": "kto", "apo_zero_unpaired": "apo_zero_unpaired"}
CPO_LOSS_TYPES = {"sigmoid": "cpo", "simpo": "simpo", "alphapo": "alphapo"}
TPO_LOSS_TYPES = {"sigmoid": "tpo", "tpo-l": "tpo_l"}
# the arguments of those trainers whose name here is another; all others keep theirs
ARGUMENTS = {
    "cpo_alpha": "sft",
    "simpo_gamma": "gamma",
    "tpo_alpha": "alpha",
    "tpo_l_gamma": "gamma",
    "ld_alpha": "alpha",
    "discopop_tau": "tau",
    "f_divergence_type": "divergence",
    "f_alpha_divergence_coef": "alpha",
}
