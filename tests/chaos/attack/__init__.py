"""An attack on a running system: who attacks, and what is measured of the others meanwhile."""
