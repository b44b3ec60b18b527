"""Roles are taken on by one service, and allow many resources only with a reason."""

import pytest
from aws_cdk import Stack

from infra.aws.roles import OF_THIS_ACCOUNT, ServiceRole
from tests.infra.aws.templates import of_type


def test_a_star_needs_a_reason():
    role = ServiceRole(Stack(), "Role", service="lambda.amazonaws.com")
    with pytest.raises(ValueError, match="say why"):
        role.allow(["s3:GetObject"], "arn:aws:s3:::bucket/*")


def test_a_service_that_acts_for_others_acts_for_this_account_only(resources_of):
    resources = resources_of(
        lambda stack: ServiceRole(stack, "Role", service="iot.amazonaws.com", conditions=OF_THIS_ACCOUNT)
    )
    (role,) = of_type(resources, "AWS::IAM::Role")
    (statement,) = role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Service": "iot.amazonaws.com"}
    assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
