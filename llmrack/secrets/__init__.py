"""Where keys come from and how they are kept out of sight. Pure but for reading ``.env``."""
