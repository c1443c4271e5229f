"""What is told of certificates to whoever relies on them: the rules. No HTTP, and no HSM."""
