"""Names and folders: a secret's name is its folder below the store's and its key, joined by /. Pure."""

from collections.abc import Iterable


def possible(name: str) -> bool:
    """Whether a secret can be named so. Parts . and .. would lead elsewhere in a URL."""
    parts = name.split("/")
    return name.isprintable() and all(part and part == part.strip() and part not in (".", "..") for part in parts)


def joined(folder: str, below: str) -> str:
    """A folder below another, as Infisical writes it: with a / before it and none after."""
    return "/" + "/".join(part for part in (*folder.split("/"), *below.split("/")) if part)


def split(folder: str, name: str) -> tuple[str, str]:
    """The folder in which a secret is, and its key."""
    below, _, key = name.rpartition("/")
    return joined(folder, below), key


def named(base: str, folder: str, key: str) -> str | None:
    """The name of what has this key in that folder; None where it is none that could be asked for."""
    if "/" in key:
        return None  # else it could be taken for what is in a folder
    if folder == base:
        name = key
    elif folder.startswith(f"{base.rstrip('/')}/"):
        name = f"{folder.removeprefix(base).strip('/')}/{key}"
    else:
        return None
    return name if possible(name) else None


def common(names: Iterable[str]) -> str:
    """The folder below which all of these are; empty for the store's own."""
    folders = [name.split("/")[:-1] for name in names]
    shared = []
    for parts in zip(*folders, strict=False):
        if len(set(parts)) > 1:
            break
        shared.append(parts[0])
    return "/".join(shared)


def of_prefix(prefix: str) -> str:
    """The folder in which, or below which, all names are that begin so; empty for the store's own."""
    folder = prefix[: prefix.rfind("/") + 1].rstrip("/")
    return folder if possible(folder) else ""
