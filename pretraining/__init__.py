"""How the backbones that come with kilograd were pretrained. Needs PyTorch, and the data packs."""
