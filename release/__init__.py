"""Builds what a release consists of, with its bills of materials; nothing of the product imports it."""
