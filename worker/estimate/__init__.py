"""What a job would cost, before anything is sent."""
