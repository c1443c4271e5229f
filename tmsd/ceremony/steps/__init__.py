"""The steps of a ceremony: each a function of what it needs, done or not done, never half."""
