"""QuickSight from the specs: pure functions that return what its API takes, for the CDK app to put into templates."""
