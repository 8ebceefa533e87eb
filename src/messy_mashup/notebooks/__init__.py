"""What the notebooks stand on: the session they run in and the commands that they start."""
