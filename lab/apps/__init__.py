"""The programs that run inside the lab's services hosts, and the data they start with."""
