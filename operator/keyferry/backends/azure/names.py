"""Keyferry's names and Key Vault's: one to one, so that no two keys ever lead to the same secret. Pure.

Key Vault takes letters, digits and dashes, and does not tell upper case from lower. In Keyferry's names `/` stands for
the vault's `--`, and letters are lower case. What does not come back as it was is refused, with the name to write.
"""

import re

from keyferry.errors import SecretMissing, SpecInvalid

LONGEST = 127  # characters
_POSSIBLE = re.compile(rf"[0-9A-Za-z-]{{1,{LONGEST}}}")
_VERSION = re.compile(r"[0-9a-f]{32}")


def decoded(name: str) -> str:
    """The name of a secret of the vault, as Keyferry has it."""
    return name.lower().replace("--", "/")


def encoded(name: str) -> str:
    """The vault's name of what Keyferry calls so.

    Raises SecretMissing where no secret can have that name, and SpecInvalid where one that is called otherwise would
    be found under it.
    """
    there = name.replace("/", "--")
    if _POSSIBLE.fullmatch(there) is None:
        raise SecretMissing(
            f"no secret of Key Vault can be named {name!r}: letters, digits and - are all there is, {LONGEST} at "
            "most, and / stands for --. Name it otherwise, or map by Tags, where a tag says what its key is"
        )
    if (meant := decoded(there)) != name:
        raise SpecInvalid(
            f"{name!r} is not how a secret of Key Vault is named here: upper and lower case are the same there, and / "
            f"stands for --. Write {meant!r} if that is meant"
        )
    return there


def version_possible(version: str) -> bool:
    """Whether this can be the version of a secret."""
    return _VERSION.fullmatch(version) is not None
