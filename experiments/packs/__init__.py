"""How the data packs are made from public sources, and what they were when they were measured.

`recipes.toml` says where the files of each pack come from, under which licence, and how they are
prepared. `recorded/` holds what `python -m experiments.packs.record` took down of every pack: which
file is in which split under which label (`.listing.xz`), names, and SHA-256 digests (`.json`), and
of prepared samples five bytes each (`.prints`).
"""
