"""What is true in Harbour, and how to tell. Only measuring and world building may look in here."""
