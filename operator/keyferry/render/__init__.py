"""From values to the Secret that should be: properties, decoding, keys, limits. Pure.

Between a backend and the API server, values are opened here and nowhere else.
"""
