"""The first stage: observations become the state, windows and derived values of entities; no I/O."""
