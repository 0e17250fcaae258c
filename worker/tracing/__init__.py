"""Traces of OpenTelemetry: enqueue, batch, item, call; nothing of it is loaded while it is off."""
