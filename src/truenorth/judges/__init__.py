"""Judges value answers. One protocol; checks, language models asked in many ways, panels, and their cards."""

from truenorth.judges._prompts import neutralise
from truenorth.judges.answer_confidence import AnswerConfidence
from truenorth.judges.ask import Answer, Asker
from truenorth.judges.card import card, card_of_scores, passes
from truenorth.judges.classifier import ClassifierJudge
from truenorth.judges.compile import ConstitutionJudge, compile
from truenorth.judges.consistency import Consensus, ConsistencyJudge
from truenorth.judges.constraints import ConstraintsJudge
from truenorth.judges.critic import CriticJudge, ProcessJudge
from truenorth.judges.debate import DebateJudge
from truenorth.judges.endpoint import EndpointJudge
from truenorth.judges.logprob import LogprobJudge
from truenorth.judges.mixture import MixtureJudge
from truenorth.judges.pairwise import PairwiseJudge
from truenorth.judges.panel import PanelJudge
from truenorth.judges.people import PeopleJudge
from truenorth.judges.protocol import Judge
from truenorth.judges.quotes import QuoteDebate
from truenorth.judges.reward import RewardJudge, read_labels
from truenorth.judges.rubric import ChecklistJudge, ReferenceJudge, RubricJudge
from truenorth.judges.rules import Rule, RulesJudge
from truenorth.judges.step_confidence import StepConfidence
from truenorth.judges.step_reward import StepReward
from truenorth.judges.verifiable import VerifiableJudge

__all__ = [
    "Answer",
    "AnswerConfidence",
    "Asker",
    "ChecklistJudge",
    "ClassifierJudge",
    "Consensus",
    "ConsistencyJudge",
    "ConstitutionJudge",
    "ConstraintsJudge",
    "CriticJudge",
    "DebateJudge",
    "EndpointJudge",
    "Judge",
    "LogprobJudge",
    "MixtureJudge",
    "PairwiseJudge",
    "PanelJudge",
    "PeopleJudge",
    "ProcessJudge",
    "QuoteDebate",
    "ReferenceJudge",
    "RewardJudge",
    "RubricJudge",
    "Rule",
    "RulesJudge",
    "StepConfidence",
    "StepReward",
    "VerifiableJudge",
    "card",
    "card_of_scores",
    "compile",
    "neutralise",
    "passes",
    "read_labels",
]
