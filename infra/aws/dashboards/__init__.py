"""What planners look at: QuickSight's datasets and dashboards, made of the specs."""
