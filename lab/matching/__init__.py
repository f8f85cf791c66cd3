"""How the matcher's network is trained and tried."""
