"""From windows of samples to what a model sees."""
