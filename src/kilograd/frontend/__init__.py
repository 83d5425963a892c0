"""Model files to forward graphs, one file a format."""
