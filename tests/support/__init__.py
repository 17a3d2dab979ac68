"""Real counterparts with scripted behaviour: what stands in for the outside world in tests."""
