"""Key ceremonies: what people do to an HSM's keys, one step at a time."""
