"""What tells the operators that something is wrong: alarms, dashboard, budget, and the topic that all of it goes to."""
