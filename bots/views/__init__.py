"""Console pages over bots."""
