"""What kilograd's integers are compared with. Needs ``pip install 'kilograd[baselines]'``."""
