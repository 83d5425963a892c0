"""Runs every operator's kernel as C, wherever C runs, and compares it with its reference."""
