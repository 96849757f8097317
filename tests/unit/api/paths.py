"""Which fields a manifest gives."""


def paths(value, at="spec"):
    """The path of every field that is given, without the keys of free mappings."""
    yield at
    if isinstance(value, list):
        for entry in value:
            yield from paths(entry, f"{at}[]")
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from paths(inner, f"{at}.{name}")
