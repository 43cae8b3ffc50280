"""Making a bundle: what a deploy fetches, gathered where there is internet. And checking one."""
