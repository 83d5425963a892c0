"""Networks as other tools convert them; each module runs in an environment of its own.

Weights are random, and so are the statistics of batch normalizations: what is looked at is which
layers a converter writes, and whether kilograd computes the same bytes.
"""
