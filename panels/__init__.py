"""What is drawn. No logic, no changes of data, nothing slower than a look at memory."""
