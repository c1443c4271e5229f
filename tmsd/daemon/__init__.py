"""The front's process: start order, the worker beside it, and an orderly end."""
