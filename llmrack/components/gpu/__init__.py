"""GPUs of a host: drivers, device files, what the look at them found."""
