import pytest

from keyferry.backends.aws.reading import answered, batches, possible, refused, value_of, version_named
from keyferry.errors import BackendUnavailable
from keyferry.values import Ref, Value

ARN = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:team/db-AbCdEf"
ANSWER = {"ARN": ARN, "Name": "team/db", "VersionId": "v1", "SecretString": "s"}


@pytest.mark.parametrize("name", ["a", "a/b_c+d=e.f@g-h!", "x" * 512, ARN, ARN[:-7]])
def test_what_aws_allows_as_a_name_is_possible(name: str):
    assert possible(Ref(name))


@pytest.mark.parametrize("name", ["", " ", "a b", "ä", "a\n", "x" * 513, "a:b", "a*"])
def test_what_aws_does_not_allow_is_not(name: str):
    assert not possible(Ref(name))


def test_current_versions_go_together_and_others_alone():
    refs = [Ref(str(n)) for n in range(5)] + [Ref("a", "AWSPREVIOUS")]
    assert [len(batch) for batch in batches(refs, 2)] == [2, 2, 1, 1]


def test_without_batches_all_go_alone():
    assert batches([Ref("a"), Ref("b", "v")], 1) == [(Ref("a"),), (Ref("b", "v"),)]


@pytest.mark.parametrize(
    ("version", "named"),
    [
        ("", {}),
        ("AWSPREVIOUS", {"VersionStage": "AWSPREVIOUS"}),
        ("a" * 31, {"VersionStage": "a" * 31}),
        ("a" * 65, {"VersionStage": "a" * 65}),
        ("EXAMPLE1-90ab-cdef-fedc-ba987SECRET1", {"VersionId": "EXAMPLE1-90ab-cdef-fedc-ba987SECRET1"}),
        ("terraform-20261124000000000000000001", {"VersionId": "terraform-20261124000000000000000001"}),
        ("a label that is longer than 32 letters", {"VersionStage": "a label that is longer than 32 letters"}),
    ],
)
def test_ids_and_labels_are_told_apart_by_their_shape(version: str, named: dict[str, str]):
    assert version_named(Ref("db", version)) == named


@pytest.mark.parametrize("asked", ["team/db", ARN, ARN[:-7]])
def test_an_answer_belongs_to_whoever_asked_by_name_or_arn(asked: str):
    ref = Ref(asked)
    assert answered([ref, Ref("other")], [ANSWER]) == {ref: Value(b"s", "v1")}


def test_one_answer_serves_all_the_ways_it_was_asked():
    refs = [Ref("team/db"), Ref(ARN)]
    assert set(answered(refs, [ANSWER])) == set(refs)


def test_a_name_that_ends_like_an_arn_is_no_arn():
    assert answered([Ref("team/db")], [{**ANSWER, "Name": "team/db-AbCdEf", "ARN": f"{ARN}-GhIjKl"}]) == {}


@pytest.mark.parametrize("value", ["", "text", "žluť"])
def test_text_becomes_utf_8(value: str):
    assert value_of({**ANSWER, "SecretString": value}, Ref("team/db")) == Value(value.encode(), "v1")


def test_binary_stays_as_it_is():
    answer = {"ARN": ARN, "Name": "team/db", "VersionId": "v1", "SecretBinary": b"\xff\x00"}
    assert value_of(answer, Ref(ARN)) == Value(b"\xff\x00", "v1")


@pytest.mark.parametrize("lost", ["VersionId", "SecretString"])
def test_an_answer_that_lacks_a_part_is_no_value(lost: str):
    answer = {name: part for name, part in ANSWER.items() if name != lost}
    assert isinstance(value_of(answer, Ref(ARN)), BackendUnavailable)


def test_the_answer_for_another_secret_is_no_value():
    assert isinstance(value_of(ANSWER, Ref("team/other")), BackendUnavailable)


@pytest.mark.parametrize("answers", [[None], [{}], [{"ARN": [], "Name": 5}]], ids=["null", "empty", "odd"])
def test_answers_without_name_belong_to_nobody(answers: list[dict[str, object]]):
    assert answered([Ref("team/db")], answers) == {}
    assert refused([Ref("team/db")], answers) == {}


@pytest.mark.parametrize(("asked", "said"), [("team/db", "team/db"), (ARN, ARN), ("team/db", ARN), (ARN[:-7], ARN)])
def test_an_error_belongs_to_whoever_asked(asked: str, said: str):
    ref = Ref(asked)
    got = refused([ref], [{"SecretId": said, "ErrorCode": "X", "Message": "m"}])
    assert got[ref].codes == ("X",)


def test_an_error_for_exactly_what_was_asked_is_nobody_elses():
    exact, other = Ref(f"{ARN[:-7]}-abcdef"), Ref("team/db")
    assert set(refused([exact, other], [{"SecretId": exact.id, "ErrorCode": "X"}])) == {exact}
