"""Officers and their approvals."""
