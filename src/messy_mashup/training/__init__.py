"""One member: fitted fold by fold, saved so that nothing is lost, loaded to predict."""
