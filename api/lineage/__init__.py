"""Where a value comes from: observed, derived and rolled-up values traced back to the raw messages."""
