"""Measurements that anyone can run: each compares in one run, and prints a ratio."""
