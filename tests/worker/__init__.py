"""What runs beside the HSM: keys, sealed sessions, tickets, and what the policy says to them."""
