"""Judges value answers. One protocol; checks, consistency, log-prob, reward-model and endpoint judges."""

from truenorth.judges._prompts import neutralise
from truenorth.judges.card import card, card_of_scores, passes
from truenorth.judges.classifier import ClassifierJudge
from truenorth.judges.compile import ConstitutionJudge, compile
from truenorth.judges.consistency import Consensus, ConsistencyJudge
from truenorth.judges.endpoint import EndpointJudge
from truenorth.judges.logprob import LogprobJudge
from truenorth.judges.protocol import Judge
from truenorth.judges.reward import RewardJudge, read_labels

__all__ = [
    "ClassifierJudge",
    "Consensus",
    "ConsistencyJudge",
    "ConstitutionJudge",
    "EndpointJudge",
    "Judge",
    "LogprobJudge",
    "RewardJudge",
    "card",
    "card_of_scores",
    "compile",
    "neutralise",
    "passes",
    "read_labels",
]
