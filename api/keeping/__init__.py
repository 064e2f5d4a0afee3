"""Keeping, losing, forgetting: backups and what a restore makes of them, how long records are kept, personal data cleared."""
