"""Benches: `make bench` runs every module in an app's `benches` package."""
