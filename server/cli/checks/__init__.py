"""What `open-agent doctor` looks at. Each file looks at one part and returns findings; none prints."""
