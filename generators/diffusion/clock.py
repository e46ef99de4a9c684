"""The clocks of the flow, one for atom types and bonds and one for coordinates, both driven by a sample's progress."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Clock:
    """Times of graph and coordinates at each progress s from 0 to 1.

    The graph may run ahead: with its atoms and bonds settled early, the coordinates have most of their way with the
    graph known, which is far easier than finding both at once. With ``graph_end=1`` and ``coordinate_start=0`` the
    two go side by side.

    Parameters
    ----------
    graph_end
        Progress at which the graph is final.
    coordinate_start
        Progress at which the coordinates begin to leave their noise.
    graph_distortion
        The graph's time is 1 - (1 - u)ᵈ of its share u of the progress: with 2 its steps are short near the end.
    coordinate_distortion
        The same of the coordinates.

    Raises
    ------
    ValueError
        If a number is out of its range.

    Examples
    --------
    >>> import torch
    >>> graph, coordinates = Clock().times(torch.tensor([0.0, 0.25, 0.5, 1.0]))
    >>> graph.tolist(), [round(t, 3) for t in coordinates.tolist()]
    ([0.0, 0.75, 1.0, 1.0], [0.0, 0.0, 0.456, 1.0])
    """

    graph_end: float = 0.5
    coordinate_start: float = 0.25
    graph_distortion: float = 2.0
    coordinate_distortion: float = 1.5

    def __post_init__(self) -> None:
        if not (0 < self.graph_end <= 1 and 0 <= self.coordinate_start < 1):
            raise ValueError(f"{self}: expected 0 < graph_end <= 1 and 0 <= coordinate_start < 1")
        if not (self.graph_distortion > 0 and self.coordinate_distortion > 0):
            raise ValueError(f"{self}: expected distortions of more than 0")

    def times(self, progress: Tensor) -> tuple[Tensor, Tensor]:
        """Return the times at some progress.

        Parameters
        ----------
        progress
            In [0, 1], any shape.

        Returns
        -------
        graph : Tensor
            Time of atom types and bonds, the same shape.
        coordinates : Tensor
            Time of the coordinates.
        """
        return self.graph(progress / self.graph_end), self.coordinates(
            (progress - self.coordinate_start) / (1.0 - self.coordinate_start)
        )

    def graph(self, share: Tensor) -> Tensor:
        """Return the graph's time at a share of its own way.

        Parameters
        ----------
        share
            Any shape.

        Returns
        -------
        Tensor
            The same shape, in [0, 1].
        """
        return 1.0 - (1.0 - share.clamp(0.0, 1.0)) ** self.graph_distortion

    def coordinates(self, share: Tensor) -> Tensor:
        """Return the coordinates' time at a share of their own way.

        Parameters
        ----------
        share
            Any shape.

        Returns
        -------
        Tensor
            The same shape, in [0, 1].
        """
        return 1.0 - (1.0 - share.clamp(0.0, 1.0)) ** self.coordinate_distortion
