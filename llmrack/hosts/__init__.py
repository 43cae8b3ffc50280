"""The one room that opens connections and knows pyinfra's inside."""
