"""What the removal of rows costs, as far as their features tell."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from molaug.filters.design.criteria import Criteria, d_efficiency
from molaug.filters.information import Information


@dataclass(frozen=True, kw_only=True)
class PredictedCost:
    """What a model that is linear in the features loses with some rows of a database.

    Parameters
    ----------
    n_removed
        Rows removed.
    loss_per_row
        By how much ln det M fell, for each of them.
    d_efficiency
        What one row that is kept is worth, in rows of the whole database, at an equal ridge for each row.
    mean_leverage
        Mean leverage of the removed rows against those kept: the variance of their predictions, in units of that of the
        labels.
    largest_leverage
        The largest of these; above 1 a prediction is less certain than a label.
    g
        Largest leverage of the whole database against the rows kept (G-criterion).
    i
        Mean of the same (I-criterion).
    """

    n_removed: int
    loss_per_row: float
    d_efficiency: float
    mean_leverage: float
    largest_leverage: float
    g: float
    i: float

    @classmethod
    def of(cls, features: NDArray[np.float32], removed: NDArray[np.intp], whole: Information) -> PredictedCost:
        """Predict the cost of a removal.

        Parameters
        ----------
        features
            Of the whole database, shape (n, d).
        removed
            Row numbers, at least one and not all.
        whole
            Information of the whole database, with its ridge.

        Returns
        -------
        PredictedCost
            In the metric of the rows kept, with the same ridge.

        Raises
        ------
        ValueError
            If no row is removed or none kept.

        Examples
        --------
        >>> rows = np.array([[1, 0], [1, 0], [0, 1]], dtype=np.float32)
        >>> PredictedCost.of(rows, np.array([1]), Information.of(rows)).largest_leverage
        1.0
        """
        if not 0 < len(removed) < len(features):
            raise ValueError(f"{len(removed)} of {len(features)} rows removed; expected at least one, and not all")
        kept = Information.of(np.delete(features, removed, axis=0), whole.ridge)
        leverage = kept.leverage(features[removed])
        # for each row as much of a ridge as the whole has: else directions that no row reaches would count as kept
        per_row = replace(kept, ridge=whole.ridge * kept.n / whole.n)
        everywhere = Criteria.of(kept, features)
        return cls(
            n_removed=len(removed),
            loss_per_row=(whole.log_det - kept.log_det) / len(removed),
            d_efficiency=d_efficiency(per_row, whole),
            mean_leverage=float(leverage.mean()),
            largest_leverage=float(leverage.max()),
            g=everywhere.g,
            i=everywhere.i,
        )
