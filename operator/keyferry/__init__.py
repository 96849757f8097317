"""Keyferry carries values from external secret managers into Kubernetes Secrets, and keeps them true.

The folders are the stations of a value's journey; README.md walks through them in order.
"""
