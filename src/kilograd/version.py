"""The version, by itself so that every room may import it."""

VERSION = "0.1.0"
