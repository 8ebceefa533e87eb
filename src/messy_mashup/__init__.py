"""Messy Mashup: genre classification of noisy mashups, from raw stems to a submission."""
