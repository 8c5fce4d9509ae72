"""Verifies dossiers offline: signature, digests, and the replay by the production decoders and stages.

What may not live here: making a dossier (`api.dossier`), its format (`twin.dossier`).
"""
