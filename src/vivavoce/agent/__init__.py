"""Telephone agents: a script that is never left, and who understands callers within it."""
