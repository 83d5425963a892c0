"""Architectures: how a firmware of each is started, linked, stopped and counted."""
