"""What structures are worth: their uncertainty and leverage, a choice of them, and whether they can be trained on."""

from molaug.design.feasibility import judge_feasibility
from molaug.design.known import known_information
from molaug.design.scoring import ScoreSummary, score
from molaug.design.selecting import select

__all__ = ["ScoreSummary", "judge_feasibility", "known_information", "score", "select"]
