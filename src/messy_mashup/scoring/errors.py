"""What a model got wrong among held-out clips: which clips, with what certainty, and which classes for which."""

import numpy as np
import pandas as pd

from messy_mashup.scoring.metrics import confusion, softmax
from messy_mashup.scoring.predictions import NO_LABEL, Predictions


def worst(held_out: Predictions, count: int) -> pd.DataFrame:
    """The `count` mistakes that the model was surest of, first the surest.

    Columns id, true, predicted, p_predicted, p_true, fold.
    """
    _refuse_unlabelled(held_out)
    probability = softmax(held_out.logits)
    predicted = held_out.logits.argmax(axis=1)
    clips = np.arange(len(predicted))
    table = pd.DataFrame(
        {
            "id": held_out.id,
            "true": held_out.classes[held_out.label],
            "predicted": held_out.classes[predicted],
            "p_predicted": probability[clips, predicted],
            "p_true": probability[clips, held_out.label],
            "fold": held_out.fold,
        }
    )
    wrong = table[predicted != held_out.label]
    return wrong.sort_values(["p_predicted", "id"], ascending=[False, True], ignore_index=True).head(count)


def worst_of_pairs(held_out: Predictions, pairs: pd.DataFrame, count: int) -> list[pd.DataFrame]:
    """Of each row of `confused_pairs`, the `count` surest mistakes in either direction: tables as of `worst`."""
    mistakes = worst(held_out, len(held_out.id))
    tables = []
    for one, other in zip(pairs["one"], pairs["other"], strict=True):
        both = mistakes["true"].isin([one, other]) & mistakes["predicted"].isin([one, other])
        tables.append(mistakes[both].head(count).reset_index(drop=True))
    return tables


def confused_pairs(held_out: Predictions) -> pd.DataFrame:
    """Pairs of classes that were taken for each other, most often first.

    Columns one, other, one_as_other (clips of `one` that were called `other`), other_as_one, together.
    """
    _refuse_unlabelled(held_out)
    matrix = confusion(held_out.label, held_out.logits)
    one, other = np.triu_indices(len(matrix), k=1)
    pairs = pd.DataFrame(
        {
            "one": held_out.classes[one],
            "other": held_out.classes[other],
            "one_as_other": matrix[one, other],
            "other_as_one": matrix[other, one],
            "together": matrix[one, other] + matrix[other, one],
        }
    )
    pairs = pairs[pairs["together"] > 0]
    return pairs.sort_values(["together", "one", "other"], ascending=[False, True, True], ignore_index=True)


def _refuse_unlabelled(held_out: Predictions) -> None:
    if (held_out.label == NO_LABEL).any():
        raise ValueError("errors can be told only of clips whose labels are known")
