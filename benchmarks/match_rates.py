"""How often stems are found in probes, and others by mistake, for match.py."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from match_probes import LENGTH_S, Probe, Voice, as_heard, at_snr, mixed

from messy_mashup.search.evidence import AT_BEGIN_S
from messy_mashup.search.matches import Match, find_matches
from messy_mashup.search.voice_catalogue import ANY_OFFSET_S, VoiceCatalogue
from messy_mashup.search.wave_check import AGREES, LEAST_CORRELATION

SNRS_DB = (-15.0, -10.0, -5.0, 0.0, 5.0)
FEW_SNRS_DB = (-10.0, 0.0)
FIXED_RATES = (0.8, 0.9, 0.95, 0.98, 1.02, 1.05, 1.1, 1.2)
FIXED_SNR_DB = 0.0
STEADY, VOCODED, FIXED = "steady", "vocoded", "fixed"  # the second at a rate that is drawn, the third at one for all
UNKNOWN = "unknown"  # there is no target
RANDOM, FIRST, TOLD = "random", "0", "0, told"
SEARCHED_S = {RANDOM: ANY_OFFSET_S, FIRST: ANY_OFFSET_S, TOLD: AT_BEGIN_S}  # where a stem may begin, by its lag
AT_ONCE = 24
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Condition:
    """How a target is put into its probe; rate is None where each probe draws its own."""

    lag: str
    played: str
    snr_db: float
    rate: float | None = None


def thorough() -> list[Condition]:
    """Random lags and vocoded voices first; at a lag of 0 that the search is not told, one level will do."""
    fixed = [Condition(RANDOM, FIXED, FIXED_SNR_DB, rate) for rate in FIXED_RATES]
    return _grid((RANDOM,), SNRS_DB) + fixed + _grid((FIRST,), (FIXED_SNR_DB,)) + _grid((TOLD,), SNRS_DB)


def brief() -> list[Condition]:
    """For banks that take long to be searched."""
    return _grid((RANDOM, TOLD), FEW_SNRS_DB)


def unknown(lag: str) -> Condition:
    """Of probes that hold nothing of the bank."""
    return Condition(lag, UNKNOWN, np.nan)


def _grid(lags: Sequence[str], snrs_db: Sequence[float]) -> list[Condition]:
    ways = [(lag, played, rate) for lag in lags for played, rate in ((VOCODED, None), (STEADY, 1.0))]
    return [Condition(lag, played, snr_db, rate) for lag, played, rate in ways for snr_db in snrs_db]


@dataclass(frozen=True)
class Prepared:
    """A probe, and the sum of its unknown voices: (samples,)."""

    probe: Probe
    others: np.ndarray

    @classmethod
    def of(cls, probe: Probe) -> "Prepared":
        """The unknown voices are mixed once for all conditions."""
        return cls(probe, mixed(probe.others))

    def target(self, condition: Condition) -> Voice:
        """The voice to be found, as the condition plays it."""
        rate = self.probe.pace if condition.rate is None else condition.rate
        place = self.probe.target.place if condition.lag == RANDOM else 0.0
        return replace(self.probe.target, rate=rate, place=place)

    def heard(self, condition: Condition) -> np.ndarray:
        """As a search hears it: (samples,) float32."""
        if self.probe.target is None:
            return as_heard(self.others)
        return as_heard(at_snr(self.target(condition).wave(LENGTH_S), self.others, condition.snr_db))


def searched(pairs: Sequence[tuple[Prepared, Condition]], catalogue: VoiceCatalogue) -> Iterator[dict]:
    """A row a probe in a condition: whether the stem was found, how many others were, and the errors of rate and lag.

    All are searched in the same way: where there is no target, the condition's lag says which.
    """
    for begin in range(0, len(pairs), AT_ONCE):
        portion = pairs[begin : begin + AT_ONCE]
        offset_s = SEARCHED_S[portion[0][1].lag]
        waves = [prepared.heard(condition) for prepared, condition in portion]
        for pair, matches in zip(portion, find_matches(waves, catalogue, offset_s), strict=True):
            yield _row(*pair, matches, catalogue)


def _row(prepared: Prepared, condition: Condition, matches: list[Match], catalogue: VoiceCatalogue) -> dict:
    row = {"lag": condition.lag, "played": condition.played, "snr_db": condition.snr_db}
    if condition.played == UNKNOWN:
        found = [match for match in matches if match.found]
        return row | {"false": len(found), "false_checked": sum(map(_agrees, found))}
    target = prepared.target(condition)
    return row | {"part": target.part, "rate": target.rate} | _judged(matches, target, catalogue)


def _judged(matches: list[Match], target: Voice, catalogue: VoiceCatalogue) -> dict[str, float]:
    index = catalogue.bank.index
    found = [(match, index["clip"].iat[match.clip]) for match in matches if match.found]
    right = [match for match, name in found if name == target.name]
    others = [(match, name) for match, name in found if name != target.name]
    false = [match for match, name in others if _song(name) != _song(target.name)]
    errors = [(match.rate / target.rate - 1, match.offset_s - target.begin_s(LENGTH_S)) for match in right]
    rate_error, lag_error_s = errors[0] if errors else (np.nan, np.nan)
    return {
        "right": len(right),
        "right_checked": sum(map(_agrees, right)),
        "song": len(others) - len(false),
        "false": len(false),
        "false_checked": sum(map(_agrees, false)),
        "false_of_genre": sum(index["label"].iat[match.clip] == target.genre for match in false),
        "rate_error": rate_error,
        "lag_error_s": lag_error_s,
    }


def _song(name: str) -> str:
    return name.split("/")[0]


def _agrees(match: Match) -> bool:
    """Whether the check of waves, which steady finds need not pass, agrees."""
    return match.significance >= AGREES and match.correlation >= LEAST_CORRELATION


def false_alarms(rows: pd.DataFrame) -> pd.DataFrame:
    """Of mashups of unknown voices, by bank and search: in how many a stem is found, and of which share at most; the
    same for stems that the check of waves agrees on.
    """
    told = []
    for (stems, lag), group in rows.groupby(["stems", "lag"], sort=False):
        figures = {"stems": stems, "lag": lag, "mashups": len(group), "false": int(group["false"].sum())}
        for name in ("false", "false_checked"):
            hits = int((group[name] > 0).sum())
            figures |= {f"with_{name}": hits, f"{name}_at_most": _upper_bound(hits, len(group))}
        told.append(figures)
    return pd.DataFrame(told)


def _upper_bound(hits: int, tries: int) -> float:
    """Clopper and Pearson's, one-sided."""
    from scipy.stats import binomtest

    return float(binomtest(hits, tries, alternative="less").proportion_ci(CONFIDENCE, method="exact").high)


def wilson(hits: int, tries: int) -> tuple[float, float]:
    """The interval of a share."""
    from scipy.stats import binomtest

    return tuple(map(float, binomtest(int(hits), int(tries)).proportion_ci(CONFIDENCE, method="wilson")))


def rates(rows: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """A row a group in the order of the rows: share found with its interval, finds that are wrong, median errors."""
    told = []
    for names, group in rows.groupby(list(by), sort=False):
        low, high = wilson(group["right"].sum(), len(group))
        figures = {"probes": len(group), "found": group["right"].mean(), "low": low, "high": high}
        figures["checked"] = group["right_checked"].mean()
        figures |= {name: int(group[name].sum()) for name in ("song", "false", "false_checked", "false_of_genre")}
        figures |= {
            "rate_error": group["rate_error"].abs().median(),
            "lag_error_s": group["lag_error_s"].abs().median(),
        }
        told.append(dict(zip(by, names, strict=True)) | figures)
    return pd.DataFrame(told)
