"""Mashups as a few numbers, and how they are played in the frame domain."""
