"""The sensor register: which sensors there are, whose, why, and what they do not observe."""
