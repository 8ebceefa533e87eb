"""What found stems say about genres: sure where finds are, nothing where nothing is found."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import logsumexp

from messy_mashup.errors import UserError
from messy_mashup.scoring.match_likelihood import FEWEST, LEAST_SIGNIFICANCE, Sureness, log_likelihoods

EQUAL = np.full(4, 0.25)
SURE = Sureness(-6.0, 3.0, 0.995)


def looked_at(*rows: tuple[int, int, float]) -> pd.DataFrame:
    """Rows of mashup, label and significance."""
    return pd.DataFrame(rows, columns=["mashup", "label", "significance"])


@pytest.fixture(scope="module")
def probes():
    """Significances of stems that are there, and of others that are not: (stems,) each, and which are."""
    generator = np.random.default_rng(0)
    there, chance = generator.lognormal(2.8, 0.7, 300), generator.normal(1.5, 1.5, 200)
    return np.concatenate([there, chance]), np.arange(500) < 300


def test_the_more_significant_the_surer_up_to_the_ceiling(probes):
    sureness = Sureness.of(*probes, mashups=98)
    significance = np.linspace(-5, 60, 400)
    probability = sureness.probability(significance)
    assert (np.diff(probability) >= 0).all()
    assert sureness.ceiling == pytest.approx(0.99)
    assert probability.max() == sureness.ceiling
    assert 0 < probability.min() < 0.05
    assert sureness.probability(np.array([1e9])) == [sureness.ceiling]
    below = sureness.probability(np.array([-40.0, 0.0, LEAST_SIGNIFICANCE]))
    assert len(set(below.tolist())) == 1


def test_it_is_as_sure_as_the_probes_were_right(probes):
    sureness = Sureness.of(*probes, mashups=400)
    significance, right = probes
    told = sureness.probability(significance)
    for low, high in ((0, 3), (3, 8), (8, 1000)):
        some = (significance >= low) & (significance < high)
        assert told[some].mean() == pytest.approx(right[some].mean(), abs=0.1)


def test_few_probes_are_never_quite_sure():
    significance = np.array([50.0] * 20 + [1.0] * 20)
    few, many = (Sureness.of(significance, significance > 10, mashups) for mashups in (8, 998))
    assert few.probability(significance).max() <= 0.9
    assert few.probability(significance).max() < many.probability(significance).max() <= 0.999


@pytest.mark.parametrize(("right", "wrong"), [(FEWEST - 1, 50), (50, FEWEST - 1), (0, 0)])
def test_too_few_probes_to_tell_are_refused(right, wrong):
    significance = np.array([20.0] * right + [1.0] * wrong)
    with pytest.raises(UserError, match=f"{right} stems that are there and {wrong} that are not.*--probes"):
        Sureness.of(significance, significance > 10, 100)


def test_log_likelihoods_are_normalised():
    matches = looked_at((0, 1, 30.0), (0, 1, 5.0), (0, 3, 1.0), (2, 2, 0.0), (2, 0, 8.0))
    likelihood = log_likelihoods(matches, 3, SURE, np.array([0.1, 0.2, 0.3, 0.4]))
    assert likelihood.shape == (3, 4)
    assert likelihood.dtype == np.float32
    assert logsumexp(likelihood, axis=1) == pytest.approx([0, 0, 0], abs=1e-6)


def test_where_nothing_is_found_all_genres_are_exactly_equal():
    share = np.array([0.1, 0.2, 0.3, 0.4])
    likelihood = log_likelihoods(looked_at((1, 1, 30.0)), 3, SURE, share)
    assert len(set(likelihood[0].tolist())) == len(set(likelihood[2].tolist())) == 1
    assert likelihood[0, 0] == pytest.approx(np.log(0.25))
    assert np.array_equal(log_likelihoods(looked_at(), 2, SURE, share), likelihood[[0, 2]])


def test_found_stems_of_one_genre_make_it_the_likeliest():
    matches = looked_at((0, 2, 40.0), (0, 2, 7.0), (0, 1, 1.0), (1, 1, 40.0))
    likelihood = log_likelihoods(matches, 2, SURE, EQUAL)
    assert likelihood.argmax(axis=1).tolist() == [2, 1]
    assert likelihood[0, 2] > likelihood[1, 1]  # two sure stems of a genre are surer than one


def test_one_find_is_as_sure_as_its_probability():
    for significance in (0.5, 3.0, 9.0):
        likelihood = log_likelihoods(looked_at((0, 2, significance)), 1, SURE, EQUAL)[0]
        (there,) = SURE.probability(np.array([significance]))
        # If it is there by chance, it is of any genre
        assert np.exp(likelihood[2]) == pytest.approx(there + (1 - there) / 4, rel=1e-5)
        assert np.exp(likelihood[0]) == pytest.approx((1 - there) / 4, rel=1e-5)


def test_two_equal_finds_of_different_genres_tie():
    likelihood = log_likelihoods(looked_at((0, 1, 9.0), (0, 3, 9.0)), 1, SURE, EQUAL)[0]
    assert likelihood[1] == likelihood[3] > likelihood[0] == likelihood[2]
    stronger = log_likelihoods(looked_at((0, 1, 9.0), (0, 3, 9.5)), 1, SURE, EQUAL)[0]
    assert stronger[3] > stronger[1]


def test_the_find_of_a_rare_genre_tells_more():
    share = np.array([0.7, 0.1, 0.1, 0.1])
    likelihood = log_likelihoods(looked_at((0, 0, 9.0), (0, 1, 9.0)), 1, SURE, share)[0]
    assert likelihood[1] > likelihood[0]  # by chance a stem is seldom of it


def test_the_order_of_matches_is_irrelevant(probes):
    generator = np.random.default_rng(1)
    rows = [(int(mashup), int(label), float(s)) for mashup, label, s in zip(
        generator.integers(0, 5, 60), generator.integers(0, 4, 60), generator.uniform(-2, 40, 60), strict=True
    )]  # fmt: skip
    share = np.array([0.1, 0.2, 0.3, 0.4])
    there, back = (log_likelihoods(looked_at(*order), 5, SURE, share) for order in (rows, rows[::-1]))
    np.testing.assert_allclose(there, back, atol=1e-5)
    shuffled = looked_at(*rows).sample(frac=1, random_state=0)  # whatever its index is
    np.testing.assert_allclose(log_likelihoods(shuffled, 5, SURE, share), there, atol=1e-5)


@pytest.mark.parametrize("share", [[0.25, 0.25, 0.25, 0.2], [1, 1, 1, 1], [0.5, 0.5, np.nan, 0]])
def test_shares_that_do_not_add_up_are_refused(share):
    with pytest.raises(ValueError, match="add up to"):
        log_likelihoods(looked_at((0, 1, 9.0)), 1, SURE, np.array(share))


def test_probes_in_which_what_is_there_does_not_stand_out_are_refused():
    generator = np.random.default_rng(1)
    with pytest.raises(UserError, match="no more significant than others"):
        Sureness.of(generator.normal(2, 1.5, 12), np.arange(12) < 6, 100)
