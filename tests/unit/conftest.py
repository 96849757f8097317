"""Property tests look at the same examples in every run: a test that passes once passes always."""

from hypothesis import settings

settings.register_profile("unit", derandomize=True, deadline=None, max_examples=60)
settings.load_profile("unit")
