"""Pages and endpoints that people and programs connect to. Loopback by default; a key anywhere else."""
