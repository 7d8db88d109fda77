"""What an artifact says of itself before anything loads it: what it needs, and which releases will read it."""
