"""The plain way of finding stems, for match.py: normalised cross-correlation of waves as they are."""

from collections.abc import Sequence

import numpy as np
import torch
from match_probes import HEARD_HZ, as_heard
from match_rates import Condition, Prepared, wilson

from messy_mashup.search.voice_catalogue import VoiceCatalogue, one_thread

PLAIN_HZ = 8_000
STEMS_AT_ONCE = 40
LEAST_OVERLAP = 0.5  # of the mashup
QUIET_SHARE = 0.1  # of a stem's power: a cut that is quieter counts as if it had that, else it would be like anything


class PlainCorrelation:
    """The obvious way: waves as they are, normalised cross-correlation at every lag, the highest stem's peak."""

    def __init__(self, catalogue: VoiceCatalogue) -> None:
        import soxr

        self.names = catalogue.bank.index["clip"].to_numpy(str)[catalogue.clip]
        waves = [catalogue.wave(stem).cpu().numpy() for stem in range(len(catalogue))]
        waves = [torch.from_numpy(soxr.resample(wave, HEARD_HZ, PLAIN_HZ)) for wave in waves]
        self.stems = torch.nn.utils.rnn.pad_sequence(waves, batch_first=True)  # (stems, samples)

    @one_thread()
    def best(self, wave: np.ndarray) -> tuple[str, float]:
        """The stem that is most alike to a mashup (samples,) at HEARD_HZ, and its correlation."""
        import soxr
        from scipy.fft import next_fast_len

        mashup = torch.from_numpy(soxr.resample(wave, HEARD_HZ, PLAIN_HZ))
        samples, longest = len(mashup), self.stems.shape[1]
        size = next_fast_len(samples + longest, real=True)
        spectrum, energy = torch.fft.rfft(mashup, size).conj(), mashup.square().sum()
        least = int(LEAST_OVERLAP * samples)
        lag = torch.arange(least - samples, longest - least + 1)
        peaks = []
        for stems in self.stems.split(STEMS_AT_ONCE):
            products = torch.fft.irfft(torch.fft.rfft(stems, size) * spectrum, size)[:, lag % size]
            before = torch.nn.functional.pad(stems.double().square().cumsum(1), (1, 0))
            heard = before[:, (lag + samples).clamp(max=longest)] - before[:, lag.clamp(min=0)]
            usual = QUIET_SHARE * before[:, -1:] * samples / longest
            peaks.append((products / (torch.maximum(heard, usual).clamp(min=1e-9) * energy).sqrt()).amax(dim=1))
        heights = torch.cat(peaks)
        return str(self.names[int(heights.argmax())]), float(heights.max())

    def highest(self, unknown: Sequence[Prepared]) -> float:
        """The highest peak in mashups of unknown voices: what is above it is taken for found."""
        return max(self.best(as_heard(prepared.others))[1] for prepared in unknown)

    def found(self, prepared: Sequence[Prepared], condition: Condition, threshold: float) -> dict:
        """How often the target is the stem that is most alike, above the threshold, and how often another is."""
        best = [self.best(probe.heard(condition)) for probe in prepared]
        names = [probe.target(condition).name for probe in prepared]
        right = [name == true and peak > threshold for (name, peak), true in zip(best, names, strict=True)]
        low, high = wilson(sum(right), len(right))
        row = {"played": condition.played, "snr_db": condition.snr_db, "probes": len(right)}
        figures = {"found": sum(right) / len(right), "low": low, "high": high}
        return row | figures | {"false": sum(peak > threshold for _, peak in best) - sum(right)}
