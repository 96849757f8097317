"""What Retry-After says."""

import time
from email.utils import formatdate

import pytest

from keyferry.backends import retry_after


@pytest.mark.parametrize(
    ("said", "seconds"),
    [(None, None), ("", None), ("7", 7.0), (" 12 ", 12.0), ("٧", None), ("soon", None), ("-1", None)],
)
def test_it_is_a_number_of_seconds_or_nothing(said: str | None, seconds: float | None):
    assert retry_after.seconds(said) == seconds


def test_it_may_be_a_date():
    assert retry_after.seconds(formatdate(time.time() + 60, usegmt=True)) == pytest.approx(60, abs=2)
    assert retry_after.seconds("Wed, 21 Oct 2015 07:28:00 GMT") == 0
