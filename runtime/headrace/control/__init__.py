"""What an operator wants of versions and traffic: kept, journalled, and brought about."""
