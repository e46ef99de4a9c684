"""Optimal experimental design: which structures are worth a label, told from features before any label is known."""

from molaug.filters.design.axes import on_axes
from molaug.filters.design.choice import FeatureSelector
from molaug.filters.design.clusters import kmeans_pp, lcmd
from molaug.filters.design.criteria import Criteria, d_efficiency
from molaug.filters.design.elimination import eliminate
from molaug.filters.design.exchange import exchange
from molaug.filters.design.facility import facility_location
from molaug.filters.design.farthest import farthest
from molaug.filters.design.feasibility import Feasibility, feasibility
from molaug.filters.design.greedy import greedy_d
from molaug.filters.design.maxvol import ActiveSet
from molaug.filters.design.streaming import select_streamed
from molaug.filters.design.target import greedy_target

__all__ = [
    "ActiveSet",
    "Criteria",
    "Feasibility",
    "FeatureSelector",
    "d_efficiency",
    "eliminate",
    "exchange",
    "facility_location",
    "farthest",
    "feasibility",
    "greedy_d",
    "greedy_target",
    "kmeans_pp",
    "lcmd",
    "on_axes",
    "select_streamed",
]
