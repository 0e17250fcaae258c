"""Pruning: what is old and no longer needed goes, in transactions of some hundred rows."""
