"""Configuration/Integration: settings and references that systems read."""
