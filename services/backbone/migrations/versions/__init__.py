"""One module per revision, named ``NNNN_what_it_does.py``."""
