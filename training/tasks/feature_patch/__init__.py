"""Feature/Patch: writing what goes with a change."""
