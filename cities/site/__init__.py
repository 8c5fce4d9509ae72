"""The page of a city: site.yaml with its texts, the design tokens, and the background of its map."""
