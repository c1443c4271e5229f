"""hsm/ over a real token: what it does, what it refuses, and what it leaves behind."""
