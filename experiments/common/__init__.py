"""What the experiments share: ledgers, tables, charts, data packs, cells of accuracy."""
