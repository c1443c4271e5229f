"""Inputs that nobody would write, for everything that reads what others sent.

A target takes any bytes and fails unless what it is there for holds: parsers refuse in their own
words or read what they can write again, and what one end protects the other end can read. The
inputs are mutations of seeds, which are published traces wherever there are some, guided by the
lines of code that they reach.

    python -m tests.fuzz                       each target for ten seconds
    python -m tests.fuzz unwrap --seconds 600  one of them for ten minutes
    python -m tests.fuzz --seconds 0           the seeds alone, for which atheris is not needed
    python -m tests.fuzz unwrap --input 00a1b2 once more what was found
"""
