"""What waits to be handed on: schedule, spool, runner, bounce."""
