"""How our things look on the wire (kite-api.md)."""
