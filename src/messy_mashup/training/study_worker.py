"""A process that works on a study beside others, as a job of a fleet."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from messy_mashup.training.study_results import TABLE


@dataclass(frozen=True)
class StudyWorker:
    """One of several processes of tune.py on one study; it is finished when the study is."""

    name: str
    arguments: tuple[str, ...]  # of tune.py, without --devices
    folder: Path  # of its log, within the study's
    trials: int  # that the study has in the end

    def is_finished(self) -> bool:
        """Whether the study has all its trials."""
        return self.how_far() >= self.trials

    def how_far(self) -> int:
        """Trials of the study that are complete or pruned, whoever ran them."""
        return finished_trials(self.folder.parent)

    def told(self, running: bool) -> tuple[str, str]:
        """How far the study is."""
        return f"{self.how_far()} of {self.trials} trials", ""


def finished_trials(study: Path) -> int:
    """Trials that are complete or pruned, by the table in the study's folder."""
    table = study / TABLE
    return int(pd.read_csv(table)["state"].isin(["complete", "pruned"]).sum()) if table.exists() else 0
