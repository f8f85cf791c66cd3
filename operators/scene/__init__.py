"""The only code that reads or writes .blend data."""
