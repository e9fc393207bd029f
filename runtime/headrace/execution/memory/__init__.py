"""Memory of devices: what versions take of it, who has it, and who may have more."""
