"""`tmsctl policy`: from the proposal of a policy to its activation."""
