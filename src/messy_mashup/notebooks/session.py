"""What a notebook has to work with, found and told in its first cell: code, data set, bank and runs."""

import importlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from statistics import median

import pandas as pd

from messy_mashup import paths, recipes
from messy_mashup.competition import leaderboard, ledger
from messy_mashup.competition.client import connect
from messy_mashup.competition.code_version import code_version
from messy_mashup.competition.entry import LEDGER
from messy_mashup.competition.packing import WHEELS_FOLDER
from messy_mashup.data import corpora
from messy_mashup.data.audio import read_header
from messy_mashup.data.bank import Bank
from messy_mashup.data.demo_music import is_demo
from messy_mashup.errors import UserError
from messy_mashup.files import refuse_link_out
from messy_mashup.training.attached import adopt_all
from messy_mashup.training.run_folder import WEIGHTS

SONGS_MEASURED = 50
SECRETS = ("KAGGLE_USERNAME", "KAGGLE_KEY")


@dataclass(frozen=True)
class Session:
    """Where this notebook reads and writes."""

    data: Path
    corpus: str
    runs: Path
    adopted: list[Path] = field(default_factory=list)  # copies of attached members

    @property
    def bank(self) -> Bank:
        """The bank that notebook 02 built, here or in an attached kernel's output."""
        folder = paths.find_bank(self.data, self.runs)
        if not folder.exists():
            raise UserError(f"there is no bank of {self.data}: run notebook 02, or attach its output to this kernel")
        return Bank.open(folder)

    @property
    def submission(self) -> Path:
        """Where Kaggle looks for what a kernel submits; on one's own machine a copy below runs/."""
        return (paths.home() if paths.in_kernel() else self.runs) / "submission.csv"

    @property
    def submissions(self) -> Path:
        """Where entries and their ledger go; those of the demo, which no leaderboard takes, stay below runs/."""
        return self.runs / "demo_submissions" if self.has_answers else paths.submissions()

    @property
    def has_answers(self) -> bool:
        """Whether this is the demo on one's own machine, whose labels are at hand and which no Kaggle knows."""
        return not paths.in_kernel() and is_demo(self.data)

    def score(self, entry: Path) -> dict[str, float]:
        """What the demo's own leaderboard says of an entry; the ledger gets it too."""
        scored = leaderboard.scores(entry, self.data / "hidden")
        ledger.set_scores(self.submissions / LEDGER, entry.name, scored["public"], scored["private"])
        return scored

    def entry(self, csv: str = "") -> pd.Series:
        """The ledger's row of an entry, by its file; without one, of the newest that is here and was not sent."""
        table = self.ledger
        if csv:
            found = table[table["file"] == Path(csv).name]
        else:
            here = table["file"].map(lambda name: (self.submissions / name).is_file())
            found = table[here & (table["ref"] == "")]
        if found.empty:
            wanted = f"no entry {Path(csv).name}" if csv else "no entry that is here and was not sent"
            raise UserError(f"{self.submissions / LEDGER} lists {wanted}: run notebook 06, or name one with CSV")
        return found.iloc[-1]

    @property
    def ledger(self) -> pd.DataFrame:
        """The ledger of these submissions; UserError where it has no entry yet."""
        table = ledger.read(self.submissions / LEDGER)
        if table.empty:
            raise UserError(f"{self.submissions / LEDGER} lists no entry: run notebook 06, or attach its output")
        return table

    def adopt_entries(self) -> None:
        """Copy the entries that an attached kernel wrote, with their rows of the ledger, to this session's own."""
        for folder in paths.folders_below(paths.inputs(), depth=paths.ATTACHED_DEPTH):
            if folder.name == paths.submissions().name and (folder / LEDGER).is_file():
                ledger.merge(self.submissions / LEDGER, folder / LEDGER)
                for entry in sorted(folder.glob("*.csv")):
                    refuse_link_out(entry, folder)
                    if not (self.submissions / entry.name).exists():
                        shutil.copyfile(entry, self.submissions / entry.name)

    def recipe(self, family: str) -> str:
        """The name of a family's recipe that suits the length of this data set's songs."""
        return recipes.suited(family, self._song_s)

    @cached_property
    def _song_s(self) -> float:
        """A typical song's seconds, from the headers of some stems."""
        clips = corpora.load(self.corpus).scan(self.data).clips
        stems = clips.loc[clips["kind"] == "stem", "path"]
        some = stems.sample(min(SONGS_MEASURED, len(stems)), random_state=0)
        headers = [read_header(self.data / path) for path in some]
        return median(header.frames / header.sample_rate_hz for header in headers)

    def drop_adopted(self) -> None:
        """Remove the copies of attached members, which are outputs of other kernels and need not be this one's too."""
        for folder in self.adopted:
            shutil.rmtree(folder)
        self.adopted.clear()

    def trained(self, *families: str) -> list[str]:
        """The runs of the families' recipes and of all their seeds; what earlier kernels left is copied first."""
        self.adopted.extend(adopt_all(self.runs))
        names = [self.recipe(family) for family in families]
        found = [run.name for name in names for run in sorted(self.runs.glob(f"{name}*")) if _is_run(run, name)]
        if not found:
            raise UserError(f"{self.runs} holds no member of {' or '.join(names)}: run notebook 03 or 04, or attach it")
        return found


def begin(data: str | Path = "") -> Session:
    """Find what there is and print it. `data` names the data set's folder where there are several."""
    _install_wheels(paths.REPOSITORY / WHEELS_FOLDER)
    version = code_version(paths.REPOSITORY)
    folder = paths.find_data(corpora.is_competition, Path(data) if data else None)
    session = Session(folder, corpora.recognise(folder), paths.runs())
    clean = {"yes": "", "no": ", changed since", "": ", origin not known"}[version.clean]
    print(f"code   {version.commit[:12] or 'no commit'}{clean}: {paths.REPOSITORY}")
    print(f"data   {session.corpus}: {session.data}")
    print(f"runs   {session.runs}")
    return session


def sign_in() -> str | None:
    """Whether Kaggle can be asked: None, or the sentence that says what is missing.

    A kernel's credentials come from its secrets, for this process and the commands it starts.
    """
    try:
        if paths.in_kernel():
            _take_secrets()
        connect()
    except UserError as error:
        return str(error)
    return None


def _take_secrets() -> None:
    if all(name in os.environ for name in SECRETS):
        return
    try:
        secrets = importlib.import_module("kaggle_secrets").UserSecretsClient()
        os.environ.update({name: secrets.get_secret(name) for name in SECRETS})
    except Exception as error:  # what the service raises is its own and changes
        missing = f"{' and '.join(SECRETS)} are no secrets of this kernel ({type(error).__name__})"
        raise UserError(f"{missing}: add them under Add-ons, Secrets, and switch the internet on") from None


def _is_run(folder: Path, name: str) -> bool:
    seeded = re.fullmatch(re.escape(name) + r"(_seed\d+)?", folder.name)
    return bool(seeded) and any(folder.glob(f"*/{WEIGHTS}"))


def _install_wheels(folder: Path) -> None:
    """Make packages that came with the code importable, here and in the commands that are started."""
    wheels = sorted(folder.glob("*.whl"))
    if not wheels:
        return
    target = tempfile.mkdtemp(prefix="wheels")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--target", target]
    done = subprocess.run([*pip, *map(str, wheels)], capture_output=True, text=True)
    if done.returncode != 0:
        raise UserError(f"the wheels in {folder} cannot be installed: {done.stderr.strip().splitlines()[-1]}")
    sys.path.append(target)
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = f"{before}{os.pathsep}{target}" if before else target
