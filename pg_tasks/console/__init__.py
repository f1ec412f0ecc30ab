"""What a person types and sees: the command ``pg-tasks`` and its screens."""
