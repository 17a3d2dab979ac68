"""What open-agent is told: settings, agents, tool policies, prompts. Knows nothing else of ours."""
