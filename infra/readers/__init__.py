"""Reads archives of the collector as its users do, and tries what is ready made for them. See infra/check-readers."""

from pathlib import Path

SIEM = Path("infra/siem")
