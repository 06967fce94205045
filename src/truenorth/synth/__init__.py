"""Prompts and training rows: synthesis, filters and selection. Every row knows its parents."""

from truenorth.synth.answers import answers
from truenorth.synth.approve import approved
from truenorth.synth.backtranslate import backtranslate
from truenorth.synth.comparisons import pairs_from_comparisons, pairs_from_ranks
from truenorth.synth.contradict import contradicted
from truenorth.synth.contrast import Opposites, contrast
from truenorth.synth.conversations import conversations
from truenorth.synth.counterfactual import counterfactual
from truenorth.synth.debates import debated
from truenorth.synth.decompose import decomposed
from truenorth.synth.decontaminate import decontaminate, heldout_lines, load_heldout
from truenorth.synth.dedupe import dedupe
from truenorth.synth.environment import played
from truenorth.synth.evolve import evolve
from truenorth.synth.few import few_sample
from truenorth.synth.filters import Filtered, funnel
from truenorth.synth.grid import Grid
from truenorth.synth.grounded import grounded_answers
from truenorth.synth.guided import guided, numbered
from truenorth.synth.idk import known_answers
from truenorth.synth.instances import instances
from truenorth.synth.magpie import magpie
from truenorth.synth.novelty import novel, well_formed
from truenorth.synth.pairs import best_answers, best_from_judge, pairs_from_judge, pairs_from_scores
from truenorth.synth.personas import persona_prompts, personas, related_personas
from truenorth.synth.poison import dialectical, poisoned
from truenorth.synth.pressure import pressed
from truenorth.synth.red_team import red_team
from truenorth.synth.rephrase import rephrase
from truenorth.synth.retrieve import Index
from truenorth.synth.revise import Revision, Templates, revise
from truenorth.synth.revisions import pairs_from_revisions, revisions
from truenorth.synth.roles import role_answers
from truenorth.synth.rollouts import rollout_labels
from truenorth.synth.scene_words import Scene
from truenorth.synth.scenes import scene_answers
from truenorth.synth.self_instruct import self_instruct
from truenorth.synth.strength import Setup, answers_by_strength, pairs_from_strength
from truenorth.synth.taxonomy import Taxonomy, coverage, read_taxonomy, taxonomy_of, taxonomy_prompts
from truenorth.synth.telltale import Telltale, telltale
from truenorth.synth.tools import Tool, tool_answers
from truenorth.synth.topics import topic_prompts, topics
from truenorth.synth.translations import translated, translation_pairs
from truenorth.synth.votes import Vote, agreement, pairs_from_votes
from truenorth.synth.west import west_of_n
from truenorth.synth.writing import Brief

__all__ = [
    "Brief",
    "Filtered",
    "Grid",
    "Index",
    "Opposites",
    "Revision",
    "Scene",
    "Setup",
    "Taxonomy",
    "Telltale",
    "Templates",
    "Tool",
    "Vote",
    "agreement",
    "answers",
    "answers_by_strength",
    "approved",
    "backtranslate",
    "best_answers",
    "best_from_judge",
    "contradicted",
    "contrast",
    "conversations",
    "counterfactual",
    "coverage",
    "debated",
    "decomposed",
    "decontaminate",
    "dedupe",
    "dialectical",
    "evolve",
    "few_sample",
    "funnel",
    "grounded_answers",
    "guided",
    "heldout_lines",
    "instances",
    "known_answers",
    "load_heldout",
    "magpie",
    "novel",
    "numbered",
    "pairs_from_comparisons",
    "pairs_from_judge",
    "pairs_from_ranks",
    "pairs_from_revisions",
    "pairs_from_scores",
    "pairs_from_strength",
    "pairs_from_votes",
    "persona_prompts",
    "personas",
    "played",
    "poisoned",
    "pressed",
    "read_taxonomy",
    "red_team",
    "related_personas",
    "rephrase",
    "revise",
    "revisions",
    "role_answers",
    "rollout_labels",
    "scene_answers",
    "self_instruct",
    "taxonomy_of",
    "taxonomy_prompts",
    "telltale",
    "tool_answers",
    "topic_prompts",
    "topics",
    "translated",
    "translation_pairs",
    "well_formed",
    "west_of_n",
]
