import random

import pytest

from tests.bench.run import SCENARIOS, usual
from tests.bench.trouble import _earliest


@pytest.mark.parametrize("order", range(3))
def test_the_beat_is_that_of_the_look_that_came_the_least_late(order):
    looks = [100.0 + 2 * number + late for number, late in enumerate((0.3, 0.0, 0.5, 0.1))]
    random.Random(order).shuffle(looks)  # noqa: S311 - no secret

    assert _earliest(looks, 2.0) % 2.0 == pytest.approx(0.0)


def test_of_very_many_only_that_is_measured_which_depends_on_how_many_there_are():
    assert usual(1000) == set(SCENARIOS)
    assert usual(10_000) == {"first", "restart", "refresh", "rotate", "rotateall"}
