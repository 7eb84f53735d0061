"""Performance/Data: records, keys and data in the shape that fast code wants."""
