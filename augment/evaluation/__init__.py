"""How good generated molecules are, as graphs and in space: validity, uniqueness, novelty, distributions, yield."""

from molaug.evaluation.evaluate import evaluate_samples
from molaug.evaluation.partition import Reference
from molaug.evaluation.protocol import GEOMETRY_PROTOCOL, PROTOCOL
from molaug.evaluation.records import Evaluation, FileEvaluation, GeometryTier, GraphTier, Share
from molaug.evaluation.samples import Samples, read_samples, smiles_samples

__all__ = [
    "GEOMETRY_PROTOCOL",
    "PROTOCOL",
    "Evaluation",
    "FileEvaluation",
    "GeometryTier",
    "GraphTier",
    "Reference",
    "Samples",
    "Share",
    "evaluate_samples",
    "read_samples",
    "smiles_samples",
]
