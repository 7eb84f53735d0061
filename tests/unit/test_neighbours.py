"""Neighbours by cosine: who is nearest, and a map on which what is alike stands together."""

import math

import numpy as np
import pytest

from studio.neighbours import APART, Neighbours


def of(vectors: list[list[float]], names: str = "abcdefgh") -> Neighbours:
    units = np.array(vectors, float) / np.linalg.norm(vectors, axis=1, keepdims=True)
    return Neighbours(tuple(names[: len(vectors)]), tuple(map(tuple, (units @ units.T).tolist())))


TWO_GROUPS = [[1, 0.1, 0], [1, 0.2, 0], [1, 0, 0.3], [0, 1, 0.1], [0.1, 1, 0], [0, 1, -0.3]]


def test_the_nearest_come_first_and_a_skill_is_not_its_own_neighbour():
    found = of(TWO_GROUPS).nearest("a", 3)
    assert [key for key, _ in found] == ["b", "c", "e"]
    assert found[0][1] == pytest.approx(np.dot([1, 0.1, 0], [1, 0.2, 0]) / math.sqrt(1.01 * 1.04))
    assert of(TWO_GROUPS).nearest("z", 3) == []


def test_alike_skills_stand_together_on_the_map():
    places = of(TWO_GROUPS).places()

    def far(one: str, other: str) -> float:
        return math.dist(places[one], places[other])

    assert max(far("a", "b"), far("a", "c"), far("d", "e")) < min(far(x, y) for x in "abc" for y in "def")
    assert all(0 <= at <= 1 for place in places.values() for at in place)


def test_the_map_is_that_of_the_distances_where_they_lie_in_a_plane():
    angles = [0.0, 0.2, 0.5, 0.6, 0.9]
    places = of([[math.cos(a), math.sin(a), 2.0] for a in angles]).places()
    assert sorted(places, key=lambda key: places[key][0]) in (list("abcde"), list("edcba"))


def test_a_skill_outside_the_frame_moves_no_other():
    frame = of(TWO_GROUPS).places()
    with_own = of([*TWO_GROUPS, [1, 0.12, 0.01]], "abcdefg").places(frame="abcdef")
    for key, place in frame.items():
        assert with_own[key] == pytest.approx(place, abs=APART)  # as far as it is pushed to make room
    assert min(frame, key=lambda key: math.dist(with_own[key], with_own["g"])) in "ab"


def test_equal_adapters_are_still_two_points():
    places = [*of([[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]).places().values()]
    assert math.dist(places[0], places[1]) > 0.8 * APART


@pytest.mark.parametrize("count", [0, 1, 2])
def test_a_map_of_hardly_any_skills_has_its_places(count: int):
    places = of([[1, 0], [0, 1]][:count]).places() if count else Neighbours((), ()).places()
    assert len(places) == count
    assert all(0 <= at <= 1 for place in places.values() for at in place)
    assert places == (of([[1, 0], [0, 1]][:count]).places() if count else {})  # the same each time
