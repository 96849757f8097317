import pytest

from keyferry.backends.aws.credentials_file import keys_in
from keyferry.errors import CredentialsMissing, SpecInvalid, SyncError

WHERE = "Secret payments/file, key credentials"
KEYS = "aws_access_key_id = AKIA1\naws_secret_access_key = canary%(x)s=+/\n"


def said(text: str, profile: str = "default", kind: type[SyncError] = CredentialsMissing) -> str:
    with pytest.raises(kind) as failure:
        keys_in(text, profile, WHERE)
    assert failure.value.__context__ is None
    return str(failure.value)


def test_the_keys_of_a_profile_are_taken_as_they_stand():
    assert keys_in(f"[default]\n{KEYS}", "default", WHERE) == ("AKIA1", "canary%(x)s=+/", None)


def test_a_session_token_is_taken_along():
    assert keys_in(f"[a]\n{KEYS}aws_session_token=t==\n", "a", WHERE)[2] == "t=="


def test_names_are_known_in_any_case_and_comments_are_skipped():
    text = f"# team keys\n[default]\n; mind\n{KEYS.upper().replace('CANARY', 'canary')}"
    assert keys_in(text, "default", WHERE)[0] == "AKIA1"


def test_a_byte_order_mark_does_not_matter():
    assert keys_in(f"\ufeff[default]\n{KEYS}", "default", WHERE)[0] == "AKIA1"


def test_what_other_profiles_direct_does_not_matter():
    text = f"[evil]\ncredential_process = rm\n[default]\n{KEYS}"
    assert keys_in(text, "default", WHERE)[0] == "AKIA1"


def test_no_section_gives_its_keys_to_others():
    assert "has no aws_access_key_id" in said(f"[DEFAULT]\n{KEYS}[default]\n")


@pytest.mark.parametrize(
    ("directive", "instead"),
    [
        ("credential_process", "put keys into the file"),
        ("source_profile", "auth.assumeRole"),
        ("credential_source", "auth.podIdentity or auth.ambient"),
        ("role_arn", "auth.assumeRole"),
        ("role_session_name", "sessionName"),
        ("external_id", "externalId"),
        ("mfa_serial", "keys that need none"),
        ("web_identity_token_file", "auth.webIdentity"),
        ("sso_session", "use an access key"),
        ("sso_start_url", "use an access key"),
        ("region", "spec.provider.aws.region"),
        ("endpoint_url", "spec.provider.aws.endpoint"),
        ("aws_security_token", "aws_session_token"),
        ("output", "leave it out"),
    ],
)
def test_a_directive_is_refused_with_what_to_write_instead(directive: str, instead: str):
    text = said(f"[default]\n{KEYS}{directive} = canary\n", kind=SpecInvalid)
    assert text.startswith(f"{WHERE}, profile default: {directive} is not taken from there: ")
    assert instead in text
    assert "canary" not in text


def test_a_profile_that_is_not_there_is_told_with_those_that_are():
    assert said(f"[a]\n{KEYS}[b]\n{KEYS}", "c") == f"{WHERE} has no profile c; it has a, b"


def test_an_empty_file_has_no_profiles():
    assert said("") == f"{WHERE} has no profile default; it has none at all"


@pytest.mark.parametrize("missing", ["aws_access_key_id", "aws_secret_access_key"])
def test_half_a_key_is_told_by_its_other_half(missing: str):
    lines = [line for line in KEYS.splitlines() if not line.startswith(missing)]
    assert said("[default]\n" + "\n".join(lines)) == f"{WHERE}: profile default has no {missing}"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("canary", 1),
        (f"[default]\n{KEYS}canary\n", 4),
        (f"[default]\n{KEYS}[default]\n", 4),
        (f"[default]\n{KEYS}{KEYS}", 4),
        ("[default\ncanary = 1\n", 1),
    ],
    ids=["no section", "no assignment", "a section twice", "a key twice", "an open bracket"],
)
def test_what_is_no_credentials_file_is_told_by_line_and_not_quoted(text: str, line: int):
    assert said(text) == f"{WHERE} is no credentials file: line {line} makes no sense"


def test_a_value_in_the_place_of_a_name_is_not_quoted():
    assert "canary" not in said(f"[default]\n{KEYS}canary/+{'x' * 70} = 1\n", kind=SpecInvalid)
    assert "canary" not in said("[canary/+ secret]\n")
