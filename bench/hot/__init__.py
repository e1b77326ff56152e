"""What ``bench/hot_path.py`` measures: our way, the usual way and the limit, over the same clips."""
