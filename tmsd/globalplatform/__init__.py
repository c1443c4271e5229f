"""GlobalPlatform secure channels and key diversification: pure functions over `Key`."""
