"""A shared credentials file, read as text: keys are taken from it, and nothing that it directs is done."""

import configparser

from keyferry.errors import CredentialsMissing, SpecInvalid

_TAKEN = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
_INSTEAD = {
    "credential_process": "a Secret may not start a command in the operator; put keys into the file",
    "source_profile": "name that profile in sharedCredentials, and the role in auth.assumeRole",
    "credential_source": "use auth.podIdentity or auth.ambient, and the role in auth.assumeRole",
    "role_arn": "write the role into auth.assumeRole, or with a ServiceAccount's token into auth.webIdentity",
    "role_session_name": "write it as auth.assumeRole.sessionName",
    "external_id": "write it as auth.assumeRole.externalId",
    "mfa_serial": "nobody is there to enter a code; use keys that need none",
    "web_identity_token_file": "a Secret may not name a file of the operator; use auth.webIdentity",
    "region": "write it as spec.provider.aws.region",
    "endpoint_url": "write it as spec.provider.aws.endpoint",
    "aws_security_token": "write aws_session_token",
}


def keys_in(text: str, profile: str, where: str) -> tuple[str, str, str | None]:
    """Access key ID, secret access key and perhaps session token of the profile. `where` names the Secret in errors.

    Raises CredentialsMissing for what is not there, SpecInvalid for what may not be there. Neither quotes the text.
    """
    section = _section(text, profile, where)
    for directive in section:
        if directive not in _TAKEN:
            advice = _INSTEAD.get(directive) or _advice(directive)
            raise SpecInvalid(f"{where}, profile {profile}: {_shown(directive)} is not taken from there: {advice}")
    for needed in _TAKEN[:2]:
        if not section.get(needed):
            raise CredentialsMissing(f"{where}: profile {profile} has no {needed}")
    return section[_TAKEN[0]], section[_TAKEN[1]], section.get(_TAKEN[2]) or None


def _section(text: str, profile: str, where: str) -> dict[str, str]:
    # No section gives defaults to the others: that is not so in AWS's format either.
    parser = configparser.RawConfigParser(default_section="\0")
    line = None
    try:
        parser.read_string(text.removeprefix("\ufeff"))
    except configparser.Error as e:
        line = _line(e)
    if line is not None:  # raised out here, for the parser's own errors quote the line
        raise CredentialsMissing(f"{where} is no credentials file: line {line} makes no sense")
    if not parser.has_section(profile):
        raise CredentialsMissing(f"{where} has no profile {profile}; it has {_list(parser.sections())}")
    return {name: value.strip() for name, value in parser.items(profile)}


def _line(error: configparser.Error) -> int:
    told: list[tuple[int, str]] = getattr(error, "errors", None) or [(getattr(error, "lineno", None) or 0, "")]
    return told[0][0]


def _list(profiles: list[str]) -> str:
    return ", ".join(_shown(profile) for profile in profiles[:10]) or "none at all"


def _shown(name: str) -> str:
    """A name out of the file: a file that is mixed up may have anything in the place of names."""
    return name if len(name) <= 64 and name.replace("_", "").replace("-", "").isalnum() else "(a strange name)"


def _advice(directive: str) -> str:
    return "use an access key, or podIdentity or ambient" if directive.startswith("sso") else "leave it out"
