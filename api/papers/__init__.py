"""What leaves the program on paper: sheets as offices use them, filled from the cases and their events."""
