"""The operators' topic takes messages from the services that watch, encrypted and over TLS, and from nobody else."""

import pytest

from infra.aws.stages import STAGES
from infra.aws.watch.topic import OperatorsTopic
from tests.infra.aws.templates import of_type, properties

ALARMS, EVENTS, BUDGETS = (f"{name}.amazonaws.com" for name in ("cloudwatch", "events", "budgets"))
STAGE = STAGES["test"].model_copy(update={"operator_emails": ("one@example.org", "two@example.org")})


@pytest.fixture(scope="module")
def made(resources_of):
    return resources_of(lambda stack: OperatorsTopic(stack, "Operators", stage=STAGE))


def services(statements):
    """Return the statements that allow services something, by the service."""
    found = {}
    for each in statements:
        if each["Effect"] == "Allow" and "Service" in each["Principal"]:
            names = each["Principal"]["Service"]
            found |= dict.fromkeys([names] if isinstance(names, str) else names, each)
    return found


def key_policy(made):
    (key,) = of_type(made, "AWS::KMS::Key")
    return key["Properties"]["KeyPolicy"]["Statement"]


def topic_policy(made):
    (policy,) = of_type(made, "AWS::SNS::TopicPolicy")
    return policy["Properties"]["PolicyDocument"]["Statement"]


def test_the_key_is_for_the_services_that_publish_and_the_account_s_administrators(made):
    allowed = services(key_policy(made))
    assert set(allowed) == {ALARMS, EVENTS, BUDGETS}
    assert all(set(each["Action"]) == {"kms:Decrypt", "kms:GenerateDataKey"} for each in allowed.values())
    (administrators,) = (each for each in key_policy(made) if "AWS" in each["Principal"])
    assert administrators["Principal"]["AWS"]["Fn::Join"][1][-1] == ":root"


def test_exactly_these_services_may_publish(made):
    allowed = services(topic_policy(made))
    assert set(allowed) == {ALARMS, EVENTS, BUDGETS}
    assert {each["Action"] for each in allowed.values()} == {"sns:Publish"}
    everyone = [each for each in topic_policy(made) if each["Principal"] in ("*", {"AWS": "*"})]
    assert [each["Effect"] for each in everyone] == ["Deny"]


def test_alarms_of_another_stage_and_budgets_of_another_account_may_not_publish(made):
    allowed = services(topic_policy(made))
    of_the_stage = allowed[ALARMS]["Condition"]["ArnLike"]["aws:SourceArn"]["Fn::Join"][1]
    assert of_the_stage[-1] == ":alarm:trafficlake-test-*"
    for policy in (topic_policy(made), key_policy(made)):
        condition = services(policy)[BUDGETS]["Condition"]
        assert condition["StringEquals"] == {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}


def test_the_topic_is_encrypted_with_that_key_and_refuses_what_comes_without_tls(made):
    topic = properties(made, "AWS::SNS::Topic", TopicName="trafficlake-test-operators")
    assert made[topic["KmsMasterKeyId"]["Fn::GetAtt"][0]]["Type"] == "AWS::KMS::Key"
    (denied,) = (each for each in topic_policy(made) if each["Effect"] == "Deny")
    assert denied["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_every_operator_is_asked_to_subscribe(made):
    subscriptions = [each["Properties"] for each in of_type(made, "AWS::SNS::Subscription")]
    assert {each["Endpoint"] for each in subscriptions} == set(STAGE.operator_emails)
    assert {each["Protocol"] for each in subscriptions} == {"email"}
