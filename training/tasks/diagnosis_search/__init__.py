"""Diagnosis/Search: telling what a report or a measurement means."""
