"""The devops server: a look at this host, its logs, its containers and its cluster. It changes nothing."""
