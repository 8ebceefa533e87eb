"""What predictions are worth: metrics and pictures of them."""
