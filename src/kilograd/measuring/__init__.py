"""What a firmware takes, whether devices agree, and what each optimization saves."""
