"""The table of the alerts."""

from aws_cdk import aws_dynamodb as dynamodb
from constructs import Construct

from infra import alert_definitions as definitions
from infra.aws.defaults import removal
from infra.aws.stages import Stage


class AlertTable(dynamodb.Table):
    """Changes, summaries and the current state of segments: items expire, and any second of 35 days can be restored."""

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage) -> None:
        """Make the table with its indexes and its stream of changes."""
        partition_key, sort_key = map(_text, definitions.TABLE_KEY)
        super().__init__(
            scope,
            construct_id,
            table_name=stage.city.state_table,
            partition_key=partition_key,
            sort_key=sort_key,
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            encryption=dynamodb.TableEncryption.AWS_MANAGED,
            stream=dynamodb.StreamViewType[definitions.TABLE_STREAM],
            time_to_live_attribute=definitions.EXPIRY,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            deletion_protection=stage.keeps_data,
            removal_policy=removal(stage),
        )
        for name, key in definitions.INDEXES.items():
            index_partition_key, index_sort_key = map(_text, key)
            self.add_global_secondary_index(
                index_name=name,
                partition_key=index_partition_key,
                sort_key=index_sort_key,
                projection_type=dynamodb.ProjectionType.INCLUDE,
                non_key_attributes=definitions.INDEXED,
            )


def _text(name: str) -> dynamodb.Attribute:
    return dynamodb.Attribute(name=name, type=dynamodb.AttributeType.STRING)
