"""What found stems say about a mashup's genre: log-likelihoods, calibrated on mashups whose songs are known.

A stem that is there tells the genre; one that is there by chance tells nothing. How likely it is to be there is learnt
from two kinds of probes: mashups whose songs are in the bank, and mashups whose songs were kept from the search.
Where nothing is found, all genres are equally likely.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import expit, logsumexp

from messy_mashup.errors import UserError

LEAST_SIGNIFICANCE = 0.1  # its logarithm is what is learnt from
FEWEST = 5  # right and wrong stems each


@dataclass(frozen=True)
class Sureness:
    """The probability that a stem is of one of the mashup's songs, by the significance of its wave.

    ceiling: of the probability: probes in which all were right cannot tell that none is ever wrong.
    """

    intercept: float
    slope: float
    ceiling: float

    @classmethod
    def of(cls, significance: np.ndarray, right: np.ndarray, mashups: int) -> "Sureness":
        """Fitted to looked-at stems (stems,) of so many probes; UserError where these cannot tell."""
        if min(right.sum(), (~right).sum()) < FEWEST:
            raise UserError(
                f"the probes hold {right.sum()} stems that are there and {(~right).sum()} that are not: too few to "
                "tell how sure a find is, give more with --probes"
            )
        from sklearn.linear_model import LogisticRegression

        fitted = LogisticRegression().fit(_feature(significance)[:, None], right)
        intercept, slope = float(fitted.intercept_[0]), float(fitted.coef_[0, 0])
        if slope <= 0:
            raise UserError(
                "in the probes, stems that are there are no more significant than others: give more with --probes"
            )
        return cls(intercept, slope, 1 - 1 / (mashups + 2))

    def probability(self, significance: np.ndarray) -> np.ndarray:
        """Of stems with these significances: (stems,)."""
        return np.minimum(expit(self.intercept + self.slope * _feature(significance)), self.ceiling)


def log_likelihoods(matches: pd.DataFrame, mashups: int, sureness: Sureness, share: np.ndarray) -> np.ndarray:
    """Of every genre, normalised to probabilities under equal genres: (mashups, classes) float32.

    matches: columns mashup (its number), label (class number), significance. share: (classes,) of the bank's songs that
    are of each class: so often a stem that is there by chance is of it.
    """
    if not np.isclose(share.sum(), 1):
        raise ValueError(f"the shares of the classes add up to {share.sum():g}, not 1")
    total = np.zeros((mashups, len(share)))
    label = matches["label"].to_numpy(int)
    probability = sureness.probability(matches["significance"].to_numpy(float))
    right = np.zeros((len(matches), len(share)))
    right[np.arange(len(matches)), label] = probability / (1 - probability)
    np.add.at(total, matches["mashup"].to_numpy(int), np.log(right + share[label][:, None]))
    return (total - logsumexp(total, axis=1, keepdims=True)).astype(np.float32)


def _feature(significance: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(significance, LEAST_SIGNIFICANCE))
