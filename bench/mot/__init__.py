"""Tracking against ground truth: readers of MOTChallenge text, scores by TrackEval's definitions, and the baselines."""
