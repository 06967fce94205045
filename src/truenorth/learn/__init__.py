"""Learning: pure objectives, and one loop that is blind to which of them it runs."""

from truenorth.learn.fit import FitResult, fit
from truenorth.learn.lora import Lora
from truenorth.learn.peft_kinds import Peft
from truenorth.learn.scoring import token_logps
from truenorth.learn.types import Answer, Example, Logps, Pair, Task

__all__ = ["Answer", "Example", "FitResult", "Logps", "Lora", "Pair", "Peft", "Task", "fit", "token_logps"]
