"""`kvorum member …` and `kvorum transfer`: a running cluster, asked over REST."""
