"""What people see of the catalog and may say to it, the same by command line, REST and CSV file."""
