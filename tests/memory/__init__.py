"""Which keys are in the memory of which process, during a run and after it."""
