"""Who may see what: pure functions over the store's mapping and the namespace. No I/O, no SDK, no Kopf."""
