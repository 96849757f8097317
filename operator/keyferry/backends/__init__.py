"""The backends, one module each, as small as their SDK allows. `base` is the contract, `registry` finds them by name.

SDKs are imported here and nowhere else, on first use; one table per backend maps what they raise to `errors`.
"""
