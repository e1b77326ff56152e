"""A day of the nursery: who is where doing what, what stands open, what the sensors say, what goes wrong.

Pure: everything follows from (building, seed, date, mode, script); no clock, no files, no pictures. ``nursery_day`` puts the
parts together; ``plan`` and ``roster`` say what a day is made of, ``agenda`` and ``track`` turn it into motion on the
``floor``, ``openings``, ``climate`` and ``sensors`` derive what follows from the motion, ``script`` and ``episodes`` make it go
wrong, ``derivation`` reads the incidents back off the resulting world.
"""
