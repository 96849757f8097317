"""Reconciliation: read what is, decide, and only then write. A file a kind.

`external_secret` and `store` are the two reconciliations; `outcome` is what the first decides, as plain data;
`boundary` is the one place that catches what nobody expected.
"""
