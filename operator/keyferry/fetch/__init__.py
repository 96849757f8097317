"""What a store's ExternalSecrets share: one budget, one look at the catalogue, one read of each value.

`budget` holds the backend's limits, `sweep` tells what is there at which version, `batch` reads what changed, `cache`
keeps it for a moment, `guard` disbelieves an answer that much vanished, `fetcher` is the counter where all of it is
asked for.
"""
