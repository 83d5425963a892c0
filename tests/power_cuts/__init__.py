"""Losing power at every moment, as SQLite's tests do: what was learned is loaded whole after it.

`cuts.py` says what is tried and what must hold; `boards.py` has what it runs on.
"""
