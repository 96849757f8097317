"""Servers behind backends, as tests run them: the real ones, built once and kept in the project's cache."""
