"""Isotonic maps from what the tracker believes to what that is worth."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import isotonic_regression

from perception_nodes.datatypes.existence import (
    EXISTENCE_GROUPS,
    ExistenceTable,
    existence_groups,
    from_log_odds,
    log_odds,
)

F64 = npt.NDArray[np.float64]
B = npt.NDArray[np.bool_]
_BINS: Final = 15
_LEAST_OF_BIN: Final = 40
_FEWEST: Final = 80
# What is published has to keep its order, and to be undone: it rises everywhere, however little.
_LEAST_SLOPE: Final = 0.02


def fit_table(belief: F64, there: B) -> ExistenceTable:
    """The rising map of beliefs (N,) that fits best to whether it was there (N,), in bins of equal count.

    Pool adjacent violators (Ayer et al. 1955), as for classifiers by Zadrozny and Elkan 2002. Differs: linear between
    the bins in log odds, and nowhere flat.
    """
    order = np.argsort(belief, kind="stable")
    bins = np.array_split(order, min(_BINS, max(len(order) // _LEAST_OF_BIN, 1)))
    at = np.array([log_odds(belief[b]).mean() for b in bins])
    worth = _pooled(
        np.array([there[b].sum() for b in bins], np.float64), np.array([len(b) for b in bins], np.float64)
    )
    apart = np.diff(at, prepend=-np.inf) > 1e-3  # equal beliefs
    at, worth = at[apart], worth[apart]
    at, worth = np.array([at[0] - 1, *at, at[-1] + 1]), np.array([worth[0], *worth, worth[-1]])
    flat = worth - _LEAST_SLOPE * at
    rising = (np.maximum.accumulate(flat) + np.minimum.accumulate(flat[::-1])[::-1]) / 2 + _LEAST_SLOPE * at
    return ExistenceTable(*(tuple(np.round(from_log_odds(v), 9).tolist()) for v in (at, rising)))


def fit_tables(
    label: npt.NDArray[np.int64], tentative: B, belief: F64, there: B
) -> dict[str, ExistenceTable]:
    """One for each of `EXISTENCE_GROUPS`; groups that hardly occur get that of all which are not tentative."""
    group = existence_groups(label, tentative)
    out = {}
    for number, name in enumerate(EXISTENCE_GROUPS):
        rows = group == number
        if rows.sum() < _FEWEST:
            rows = ~tentative
        out[name] = fit_table(belief[rows], there[rows])
    return out


def _pooled(hits: F64, counts: F64) -> F64:
    """(K,) log odds of the rates of bins, made to rise: neighbours that fall share their mean."""
    blocks = isotonic_regression(hits / counts, weights=counts).blocks
    hits, counts = (np.add.reduceat(v, blocks[:-1]) for v in (hits, counts))
    return np.repeat(log_odds((hits + 0.5) / (counts + 1)), np.diff(blocks))
