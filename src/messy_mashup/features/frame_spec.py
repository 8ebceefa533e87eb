"""What a backbone hears, as a value: how long its windows are and what becomes of them."""

import math
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class FrameSpec:
    """A log-mel front-end; lengths are in samples at `sample_rate_hz`.

    Frame t of a clip is the window that begins at `first_sample(t)`; a clip of n samples has `frame_count(n)` frames.
    The model sees `(log_mel - mean) / divisor`, and frames past the end of a clip as `(pad - mean) / divisor`.
    """

    window: int
    hop: int
    fft: int
    mels: int
    low_hz: float
    high_hz: float
    window_shape: Literal["hann_periodic", "hann_symmetric"]
    centred: bool  # librosa: window t is centred on t * hop; Kaldi: it begins there
    mel_scale: Literal["kaldi", "slaney", "htk"]
    mel_norm: Literal["slaney"] | None
    log: Literal["natural", "decibel", "compressed"]  # compressed: log10(1 + 10000 power)
    floor: float  # of a band's power
    remove_dc: bool = False
    pre_emphasis: float = 0.0
    mean: float = 0.0
    divisor: float = 1.0
    pad: float = 0.0
    sample_rate_hz: int = 16_000

    def first_sample(self, frame: int) -> int:
        """The first sample of a frame's window; negative before the clip's begin."""
        return frame * self.hop - (self.window // 2 if self.centred else 0)

    def frame_count(self, samples: int) -> int:
        """The number of frames of a clip."""
        if self.centred:
            return 1 + samples // self.hop
        return max(0, 1 + (samples - self.window) // self.hop)

    def decibels(self, decibels: float) -> float:
        """A level difference in the units of the normalised log-mel; of a compressed one, where it is loud."""
        return decibels / self.divisor * {"natural": math.log(10) / 10, "decibel": 1.0, "compressed": 0.1}[self.log]

    def frames_in(self, seconds: float) -> int:
        """The number of frames that `seconds` hold: what a model that hears so long is fed."""
        return self.frame_count(round(seconds * self.sample_rate_hz))


# Gong et al., AST: Kaldi's fbank by torchaudio, normalised with AudioSet's mean and twice its standard deviation.
# A short clip is padded with zeros before it is normalised, as the authors and transformers do.
AST_FBANK = FrameSpec(
    window=400,
    hop=160,
    fft=512,
    mels=128,
    low_hz=20.0,
    high_hz=8000.0,
    window_shape="hann_symmetric",
    centred=False,
    mel_scale="kaldi",
    mel_norm=None,
    log="natural",
    floor=1.192092955078125e-07,
    remove_dc=True,
    pre_emphasis=0.97,
    mean=-4.2677393,
    divisor=2 * 4.5689974,
)


# Alonso-Jimenez et al., MAEST (ISMIR 2023): Essentia's bands of MusiCNN, normalised with Discogs' mean and twice its
# standard deviation. A short clip is filled with zeros before it is normalised.
MAEST_MEL = FrameSpec(
    window=512,
    hop=256,
    fft=512,
    mels=96,
    low_hz=0.0,
    high_hz=8000.0,
    window_shape="hann_periodic",
    centred=True,
    mel_scale="slaney",
    mel_norm="slaney",
    log="compressed",
    floor=0.0,
    mean=2.06755686098554,
    divisor=2 * 1.268292820667291,
)


def librosa_log_mel(mels: int, hop: int, fft: int) -> FrameSpec:
    """`librosa.power_to_db(librosa.feature.melspectrogram(...), top_db=None)` at 16 kHz, scaled to about -1 to 1.

    Digital silence is -100 dB, which is also the pad value.
    """
    return FrameSpec(
        window=fft,
        hop=hop,
        fft=fft,
        mels=mels,
        low_hz=0.0,
        high_hz=8000.0,
        window_shape="hann_periodic",
        centred=True,
        mel_scale="slaney",
        mel_norm="slaney",
        log="decibel",
        floor=1e-10,
        mean=-30.0,
        divisor=30.0,
        pad=-100.0,
    )
