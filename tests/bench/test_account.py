import json

import pytest

from tests.bench.account import Account, Bucket, value_of


@pytest.fixture
def account():
    made = Account()
    for number in range(250):
        made.create(f"team/s{number}", {"key": f"s{number}"})
    return made


def asked(account, action, **params):
    answer = account.answer(action, params)
    return answer.status, json.loads(answer.body)


def test_pages_follow_one_another_until_all_is_told(account):
    sizes, names = [], set()
    token: dict[str, str] = {}
    while True:
        _, page = asked(account, "ListSecrets", MaxResults=100, **token)
        sizes.append(len(page["SecretList"]))
        names |= {line["Name"] for line in page["SecretList"]}
        if "NextToken" not in page:
            break
        token = {"NextToken": page["NextToken"]}

    assert sizes == [100, 100, 50]
    assert len(names) == 250


@pytest.mark.parametrize(
    ("action", "params"),
    [("ListSecrets", {"MaxResults": 101}), ("BatchGetSecretValue", {"SecretIdList": ["x"] * 21})],
    ids=["a page of 101", "a batch of 21"],
)
def test_more_than_aws_gives_with_one_call_is_refused(account, action, params):
    status, told = asked(account, action, **params)

    assert (status, told["__type"]) == (400, "ValidationException")


def test_a_batch_answers_for_names_and_arns_and_says_what_is_not_there(account):
    arn = asked(account, "ListSecrets")[1]["SecretList"][1]["ARN"]

    _, told = asked(account, "BatchGetSecretValue", SecretIdList=["team/s0", arn, "nothing"])

    assert [each["SecretString"] for each in told["SecretValues"]] == [value_of("team/s0", 0), value_of("team/s1", 0)]
    assert [(each["SecretId"], each["ErrorCode"]) for each in told["Errors"]] == [
        ("nothing", "ResourceNotFoundException")
    ]


def test_a_rotated_secret_has_another_version_in_the_list_and_another_value(account):
    before = asked(account, "ListSecrets")[1]["SecretList"][0]

    account.rotate(["team/s0"])

    after = asked(account, "ListSecrets")[1]["SecretList"][0]
    assert after["SecretVersionsToStages"] != before["SecretVersionsToStages"]
    assert asked(account, "GetSecretValue", SecretId="team/s0")[1]["SecretString"] == value_of("team/s0", 1)


def test_without_the_permission_batches_are_refused_and_single_reads_are_not(account):
    account.batching = False

    assert asked(account, "BatchGetSecretValue", SecretIdList=["team/s0"])[1]["__type"] == "AccessDeniedException"
    assert asked(account, "GetSecretValue", SecretId="team/s0")[0] == 200


def test_a_bucket_gives_a_seconds_worth_at_once_and_then_its_rate():
    bucket = Bucket(50)

    assert sum(bucket.take(100.0) for _ in range(80)) == 50
    assert sum(bucket.take(100.5) for _ in range(80)) == 25
    assert sum(bucket.take(1000.0) for _ in range(80)) == 50
