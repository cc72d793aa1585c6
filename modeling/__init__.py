"""The files that travel to the Hub beside the weights."""
