"""How good generated molecules are: validity as drawn, uniqueness, novelty by place, distributions, and yield."""

from molaug.evaluation.evaluate import evaluate_samples
from molaug.evaluation.partition import Reference
from molaug.evaluation.protocol import PROTOCOL
from molaug.evaluation.records import Evaluation, FileEvaluation, GraphTier, Share
from molaug.evaluation.samples import Samples, read_samples, smiles_samples

__all__ = [
    "PROTOCOL",
    "Evaluation",
    "FileEvaluation",
    "GraphTier",
    "Reference",
    "Samples",
    "Share",
    "evaluate_samples",
    "read_samples",
    "smiles_samples",
]
