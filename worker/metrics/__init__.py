"""Metrics of a coordinator and, from the one that leads, of the fleet, as Prometheus reads them."""
