"""The parts of infra/check_deployment.py."""
