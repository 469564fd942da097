"""Console pages over orders, trades, positions and money."""
