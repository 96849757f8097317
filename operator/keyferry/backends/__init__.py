"""The backends, one module each, as small as their SDK allows. `base` is the contract, `registry` finds them by name.

SDKs are imported here and nowhere else, on first use. What an SDK raises is mapped to `errors` in one table per backend.
"""
