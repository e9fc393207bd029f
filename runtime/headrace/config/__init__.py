"""What an operator may write: read once, checked, and frozen."""
