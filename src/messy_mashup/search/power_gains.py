"""How loud voices are in a mashup, by the power in its bands, where their waves are not known sample by sample."""

import numpy as np
import torch

FIT_STEPS = 30
FITTED = 1e-3  # of a gain: a step that changes less is the last


def power(levels: torch.Tensor) -> torch.Tensor:
    """Levels in dB as power."""
    return torch.pow(10.0, levels / 10)


def power_gains(levels: torch.Tensor, voices: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Gains of voices (voices, frames, bands) in a mashup's levels (frames, bands), and their errors by leaving out
    one eighth of its frames after the other: (voices,) each.
    """
    mixed = power(levels)
    whole = fitted(mixed, voices)
    blocks = torch.arange(len(levels), device=levels.device) * 8 // len(levels)
    left_out = [_refitted(mixed[blocks != block], voices[:, blocks != block], whole) for block in range(8)]
    return whole.sqrt(), torch.stack(left_out).sqrt().std(dim=0, correction=0) * 7**0.5


def fitted(mixed: torch.Tensor, voices: torch.Tensor) -> torch.Tensor:
    """Gains of power (voices,) of voices (voices, frames, bands) in a mashup (frames, bands).

    Non-negative least squares of power, weighted anew at every step. Cells where much more or less sounds than the
    voices would make count little: there is something else, or a phase vocoder has smeared them.
    """
    return _refitted(mixed, voices, mixed.sum() / voices.sum((1, 2)).clamp(min=1e-12) / len(voices))


def _refitted(mixed: torch.Tensor, voices: torch.Tensor, gain: torch.Tensor) -> torch.Tensor:
    voices, mixed = voices.flatten(1), mixed.flatten()
    floor = mixed.max().clamp(min=1e-12) * 1e-5
    for _ in range(FIT_STEPS):
        model = gain @ voices + floor
        weighted = voices / (model * torch.maximum(mixed / model, model / mixed))
        before, gain = gain, _solved(weighted @ voices.T, weighted @ (mixed - floor))
        if ((gain - before).abs() <= FITTED * gain).all():
            break
    return gain


def _solved(products: torch.Tensor, against: torch.Tensor) -> torch.Tensor:
    """The non-negative x (voices,) with the least x products x - 2 x against."""
    from scipy.optimize import nnls

    scale = products.diagonal().clamp(min=1e-30).double().sqrt()
    scaled = (products / scale / scale[:, None]).cpu().numpy() + 1e-6 * np.eye(len(scale))
    root = np.linalg.cholesky(scaled)
    solution, _ = nnls(root.T, np.linalg.solve(root, (against / scale).cpu().numpy()))
    return (torch.from_numpy(solution).to(scale) / scale).to(products)
