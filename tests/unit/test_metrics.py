"""Scores and how sure a difference of two columns is."""

import pytest

from training.metrics import exact_match, paired_interval, token_f1


def test_exact_match_forgives_space_around_the_answer_and_nothing_else():
    assert exact_match(" feat(cart): x\n", "feat(cart): x") == 1
    assert exact_match("feat(cart): X", "feat(cart): x") == 0
    assert exact_match("feat(cart):  x", "feat(cart): x") == 0
    assert exact_match("", "") == 1


@pytest.mark.parametrize(
    ("answer", "right", "score"),
    [
        ("a b c", "a b c", 1.0),
        ("a b", "c d", 0.0),
        ("a b c d", "a b", 2 * 0.5 * 1.0 / 1.5),
        ("a a a", "a", 2 * (1 / 3) * 1.0 / (4 / 3)),  # a word counts as often as it is wanted
        ("Word", "word", 0.0),
        ("", "word", 0.0),
        ("word", "", 0.0),
        ("", " ", 1.0),
    ],
)
def test_f1_is_the_overlap_of_words(answer: str, right: str, score: float):
    assert token_f1(answer, right) == pytest.approx(score)


def test_the_interval_holds_the_mean_difference_and_repeats():
    first, second = [1.0] * 70 + [0.0] * 30, [0.0] * 90 + [1.0] * 10
    low, high = paired_interval(first, second)
    assert low < 0.6 < high
    assert low > 0.4
    assert high < 0.8
    assert paired_interval(first, second) == (low, high)
    assert paired_interval(first, second, seed=1) != (low, high)


def test_the_interval_of_equal_columns_is_zero():
    assert paired_interval([1.0, 0.0, 1.0], [1.0, 0.0, 1.0]) == (0, 0)


def test_the_interval_pairs_the_lines():
    # the columns differ on every line by the same amount, so there is no doubt about the mean
    assert paired_interval([0.9, 0.1, 0.5], [0.8, 0.0, 0.4]) == (pytest.approx(0.1), pytest.approx(0.1))


def test_columns_of_unequal_length_are_refused():
    with pytest.raises(ValueError, match="shorter"):
        paired_interval([1.0, 0.0], [1.0])
