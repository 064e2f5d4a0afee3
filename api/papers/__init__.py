"""What leaves the program on paper or as a file: sheets as offices use them, evidence packs, event logs; from cases and events."""
