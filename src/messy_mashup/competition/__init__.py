"""What leaves the house: submissions that Kaggle accepts, and the ledger of their scores."""
