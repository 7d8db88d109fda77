"""What a run tells: text for people, JSON for programs. All of it is made from check results."""
