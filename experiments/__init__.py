"""What the project's pages claim: how each figure was measured, its ledger, its tables, its chart.

A folder a topic. ``python -m experiments.TOPIC.run`` measures and writes the topic's ledger;
``python -m experiments.tables`` makes the tables and pictures of all pages from the ledgers.
"""
