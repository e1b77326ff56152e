"""How ``nursery-people`` is made: the small network (adult, child) that ships with the program and knows simulated rooms only.

``python -m bench.nursery_detector`` does it all: renders (``dataset.py``), trains (``train.py``), writes the ONNX file
(``export.py``), judges it on unseen seeds and an unseen building (``evaluate.py``) and writes the figures of its model card.
Training alone needs PyTorch (Debian's ``python3-torch``, CPU) and runs in a process of its own; the rest runs in ``.venv``.
"""
