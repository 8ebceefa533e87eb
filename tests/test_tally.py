"""The sums of an epoch, and when a run is given up."""

import math

import pytest
import torch

from messy_mashup.training.tally import DIVERGED, LOOK_STEPS, RECENT_STEPS, Diverged, Tally


def added(tally: Tally, losses: list[float], correct: int = 3) -> Tally:
    """The tally after steps of these losses, looked at as in training."""
    for loss in losses:
        if tally.add(torch.tensor(loss), torch.tensor(correct)):
            tally.look()
    tally.look()
    return tally


def test_sums_go_on_where_they_were_broken_off_to_the_bit():
    losses = torch.rand(47, generator=torch.Generator().manual_seed(0)).tolist()
    whole = added(Tally(10), losses)
    part = added(Tally(10), losses[:13])
    resumed = added(Tally(10, **part.progress), losses[13:])
    assert resumed.progress == whole.progress
    assert whole.progress["step"] == 47
    assert whole.progress["correct"] == 3 * 47
    assert whole.progress["loss"] == pytest.approx(sum(losses), rel=1e-5)


def test_it_is_time_to_look_every_so_many_steps():
    tally = Tally(10)
    assert [tally.add(torch.tensor(1.0), torch.tensor(1)) for _ in range(LOOK_STEPS)] == [False] * 9 + [True]


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_the_step_whose_loss_is_not_finite_is_named(bad):
    with pytest.raises(Diverged, match="no longer finite at step 18"):
        added(Tally(10), [2.0] * 17 + [bad] + [2.0] * 5)


def test_a_loss_far_above_guessing_is_given_up_and_a_short_peak_is_not():
    far = DIVERGED * math.log(10) + 1
    added(Tally(10), [2.0] * 20 + [far] * (RECENT_STEPS // 2) + [2.0] * 60)
    with pytest.raises(Diverged, match=f"loss of the last {RECENT_STEPS} steps is 7.91"):
        added(Tally(10), [far] * (RECENT_STEPS + LOOK_STEPS))
