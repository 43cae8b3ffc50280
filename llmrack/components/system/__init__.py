"""The host itself: packages, the service user, folders, the clock."""
