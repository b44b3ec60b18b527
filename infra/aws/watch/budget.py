"""What a month may cost."""

from math import ceil

from aws_cdk import aws_budgets as budgets
from constructs import Construct

from infra.aws.stages import Stage, plan_of
from infra.sizing.plan import MONTH_DAYS, total

# (what is compared, percent of the limit).
_NOTICES = (("FORECASTED", 80), ("ACTUAL", 100))


def monthly_limit_usd(stage: Stage) -> int:
    """Return the whole dollars of a month by the plan, times the stage's margin."""
    return ceil(total(plan_of(stage).lines) * MONTH_DAYS * stage.budget_margin)


class MonthlyBudget(Construct):
    """A budget for everything that has the stage's tag.

    AWS counts by a tag only once the payer's account has activated it as a cost allocation tag.
    """

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage, topic_arn: str) -> None:
        """Make the budget, which tells the topic before and when the limit is reached."""
        super().__init__(scope, construct_id)
        city = stage.city
        subscriber = budgets.CfnBudget.SubscriberProperty(subscription_type="SNS", address=topic_arn)
        budgets.CfnBudget(
            self,
            "Budget",
            budget=budgets.CfnBudget.BudgetDataProperty(
                budget_name=f"{city.prefix}-monthly",
                budget_type="COST",
                time_unit="MONTHLY",
                budget_limit=budgets.CfnBudget.SpendProperty(amount=monthly_limit_usd(stage), unit="USD"),
                cost_filters={"TagKeyValue": [f"user:stage${city.stage}"]},
            ),
            notifications_with_subscribers=[
                budgets.CfnBudget.NotificationWithSubscribersProperty(
                    notification=budgets.CfnBudget.NotificationProperty(
                        notification_type=kind,
                        comparison_operator="GREATER_THAN",
                        threshold=percent,
                        threshold_type="PERCENTAGE",
                    ),
                    subscribers=[subscriber],
                )
                for kind, percent in _NOTICES
            ],
        )
