"""The commands: one module per noun, each over the library module of that name."""
