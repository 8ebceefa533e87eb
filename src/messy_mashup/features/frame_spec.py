"""What a backbone hears, as a value: how long its windows are and what becomes of them."""

import math
from dataclasses import dataclass, replace
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
    window_shape: Literal["hann_periodic", "hann_symmetric", "hamming_symmetric"]
    centred: bool  # librosa: window t is centred on t * hop; Kaldi: it begins there
    mel_scale: Literal["kaldi", "slaney", "htk", "htk_bins"]  # htk_bins: edges on whole bins of the FFT
    mel_norm: Literal["slaney", "fft"] | None  # fft: over its size, so that a band's power does not grow with it
    log: Literal["natural", "decibel", "compressed"]  # compressed: log10(1 + 10000 power)
    floor: float  # of a band's power
    remove_dc: bool = False
    pre_emphasis: float = 0.0
    mean: float = 0.0
    divisor: float = 1.0
    pad: float = 0.0
    sample_rate_hz: int = 16_000
    lead: int = 0  # samples of weight 0 that a window begins with, for what is before a frame's first
    filled: bool = False  # a clip's last frame may reach past its end, where there are zeros
    separated: str = ""  # what becomes of a clip before it is heard: see separation.py

    @property
    def overhang(self) -> int:
        """What is added to a clip's samples so that 1 + the sum // hop are its frames, where that is `fewest`."""
        if self.centred:
            return 0
        return self.lead - self.window + (self.hop - 1 if self.filled else 0)

    @property
    def fewest(self) -> int:
        """The frames of a clip that is shorter than a window."""
        return 1 if self.centred or self.filled else 0

    def first_sample(self, frame: int) -> int:
        """The first sample of a frame's window; negative before the clip's begin."""
        return frame * self.hop - (self.window // 2 if self.centred else self.lead)

    def frame_count(self, samples: int) -> int:
        """The number of frames of a clip."""
        return max(self.fewest, 1 + (samples + self.overhang) // self.hop)

    def decibels(self, decibels: float) -> float:
        """A level difference in the units of the normalised log-mel; of a compressed one, where it is loud."""
        return decibels / self.divisor * {"natural": math.log(10) / 10, "decibel": 1.0, "compressed": 0.1}[self.log]

    def frames_in(self, seconds: float) -> int:
        """The number of frames that `seconds` hold: what a model that hears so long is fed."""
        return self.frame_count(round(seconds * self.sample_rate_hz))


SPEECH_LOW, SPEECH_HIGH = -16.0, -1.0  # see speech_log_mel

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
# standard deviation. A short clip is filled with zeros before it is normalised. The window is Essentia's, on which the
# models were trained; the published extractor's is periodic, and so further off (tests/test_maest.py).
MAEST_MEL = FrameSpec(
    window=512,
    hop=256,
    fft=512,
    mels=96,
    low_hz=0.0,
    high_hz=8000.0,
    window_shape="hann_symmetric",
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


def picture_spec(front_end: Literal["librosa", "speech"], mels: int, hop: int, fft: int, separated: str) -> FrameSpec:
    """The front-end of a network that hears a log-mel as a picture; that of speech brings its own hop and FFT."""
    spec = librosa_log_mel(mels, hop, fft) if front_end == "librosa" else speech_log_mel(mels)
    return replace(spec, separated=separated)


def speech_log_mel(mels: int = 40) -> FrameSpec:
    """python_speech_features' `log(fbank(...)[0])` with a Hamming window, scaled to about -1 to 1: frames of 25 ms
    every 10 ms, pre-emphasis .97 of the whole signal, FFT 1024, HTK's mel scale from 0 to 8 kHz; 3 s are 299 frames.

    Only the last frame may differ from that: it holds a difference to the first sample past the clip's end, which is 0.
    Of the demo's songs at peak 1, separated by HPSS, 1 % of the values are below SPEECH_LOW, 1 % above SPEECH_HIGH.
    """
    lead = 1  # so that a frame's first sample is emphasised by the one before it
    floor = 2.220446049250313e-16  # float64's epsilon, as there
    return FrameSpec(
        window=400 + lead,
        hop=160,
        fft=1024,
        mels=mels,
        low_hz=0.0,
        high_hz=8000.0,
        window_shape="hamming_symmetric",
        centred=False,
        mel_scale="htk_bins",
        mel_norm="fft",
        log="natural",
        floor=floor,
        pre_emphasis=0.97,
        mean=(SPEECH_LOW + SPEECH_HIGH) / 2,
        divisor=(SPEECH_HIGH - SPEECH_LOW) / 2,
        pad=math.log(floor),
        lead=lead,
        filled=True,
    )
