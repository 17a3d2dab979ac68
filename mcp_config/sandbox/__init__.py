"""What keeps a tool server from the rest of the machine: bubblewrap, else Landlock, with limits in both cases."""
