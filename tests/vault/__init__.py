"""The messages between front and worker, and their frames."""
