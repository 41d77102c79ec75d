"""Reads an archive of the collector as its users do, and checks what is made ready for them. See infra/check-readers."""
