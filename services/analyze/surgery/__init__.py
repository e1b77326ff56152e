"""A detector as published → the same detector, cheaper: fed with the camera's own planes, cut to what is used.

Belongs here: editing ONNX graphs (onnx and numpy only). Does not belong here: running them (``services.analyze.parity`` measures
whether boxes stay where they were), files, and which model is used where.

Three cuts, each independent of the others:

stem   uint8 planes Y, U, V in; colour matrix and normalisation folded into the first convolution (``stem``, ``folding``)
head   only the classes that are used come out (``head``)
input  no rows or columns that would hold nothing but padding (``resize``)
"""
