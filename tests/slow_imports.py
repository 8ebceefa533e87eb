"""Everything slow that train.py imports, for the server that kill_harness.py forks its trials from."""

from messy_mashup.torchvision_import import import_torchvision

import_torchvision()

import albumentations  # noqa: E402, F401
import matplotlib.backends.backend_agg  # noqa: E402
import matplotlib.figure  # noqa: E402, F401
import timm.utils  # noqa: E402, F401
from transformers.audio_utils import mel_filter_bank  # noqa: E402, F401

from messy_mashup.training import fit, fleet, trained  # noqa: E402, F401
