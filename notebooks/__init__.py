"""Open-agent to play with: notebooks, and what they share. Nothing imports this."""
