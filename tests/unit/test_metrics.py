"""Scores and how sure a difference of two columns is."""

import time

import numpy as np
import pytest

from training.metrics import bert_scores, exact_match, paired_interval, token_f1


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


def each(count: int) -> list[str]:
    """Every pair a unit of its own."""
    return [str(i) for i in range(count)]


def test_the_interval_holds_the_mean_difference_and_repeats():
    first, second = [1.0] * 70 + [0.0] * 30, [0.0] * 90 + [1.0] * 10
    low, high = paired_interval(first, second, each(100))
    assert low < 0.6 < high
    assert low > 0.4
    assert high < 0.8
    assert paired_interval(first, second, each(100)) == (low, high)
    assert paired_interval(first, second, each(100), seed=1) != (low, high)


def test_the_interval_of_equal_columns_is_zero():
    assert paired_interval([1.0, 0.0, 1.0], [1.0, 0.0, 1.0], each(3)) == (0, 0)


def test_the_interval_pairs_the_lines():
    # the columns differ on every line by the same amount, so there is no doubt about the mean
    found = paired_interval([0.9, 0.1, 0.5], [0.8, 0.0, 0.4], each(3))
    assert found == (pytest.approx(0.1), pytest.approx(0.1))


def test_columns_of_unequal_length_are_refused():
    with pytest.raises(ValueError, match="shorter"):
        paired_interval([1.0, 0.0], [1.0], each(2))


def test_the_interval_is_that_of_drawing_whole_units():
    """Against the bootstrap written out: units of two to four pairs drawn one by one, with replacement."""
    rng = np.random.default_rng(3)
    units = [str(i) for i in range(60) for _ in range(2 + i % 3)]
    effect = {unit: rng.random() for unit in units}
    first, second = np.array([effect[unit] + 0.1 * rng.random() for unit in units]), rng.random(len(units)) * 0.1
    of_unit = [(first - second)[[u == unit for u in units]] for unit in dict.fromkeys(units)]
    drawn = [np.concatenate([of_unit[i] for i in rng.integers(0, 60, 60)]).mean() for _ in range(2000)]
    found = paired_interval(first.tolist(), second.tolist(), units)
    assert found == pytest.approx(np.quantile(drawn, (0.025, 0.975)), abs=0.015)
    alone = paired_interval(first.tolist(), second.tolist(), each(len(units)))
    assert found[1] - found[0] > 1.3 * (alone[1] - alone[0])


def test_a_single_unit_says_nothing_of_others():
    assert paired_interval([1.0, 0.0, 1.0], [0.0, 0.0, 0.0], ["a"] * 3) is None


def test_two_thousand_draws_of_fifteen_hundred_lines_are_quick():
    exact, graded = [float(i % 3 == 0) for i in range(1500)], [i / 1500 for i in range(1500)]
    started = time.process_time()
    paired_interval(exact, graded, each(1500))
    assert time.process_time() - started < 1


def test_bertscore_is_high_for_what_means_the_same():
    right = [("The cat sat on the mat.",)] * 4
    same, near, far, empty = bert_scores(
        ["The cat sat on the mat. ", "A cat was sitting on a mat.", "Disk usage exceeds the quota", " "], right
    )
    assert same == 1
    assert empty == 0
    assert 0 < far < near < 1
    assert near > 0.6


def test_bertscore_takes_the_nearest_of_the_right_answers():
    answer = "A cat was sitting on a mat."
    [alone] = bert_scores([answer], [("The cat sat on the mat.",)])
    [several] = bert_scores([answer], [("Disk usage exceeds the quota", "The cat sat on the mat.")])
    assert several == pytest.approx(alone, abs=1e-4)
