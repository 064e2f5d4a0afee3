"""Uploaded evidence: pictures drawn anew without what the camera wrote, documents looked into, both kept by their SHA-256."""
