"""Small sequences made by counting, for checking the scorer: whole pixels, nothing random, the same everywhere."""

from __future__ import annotations

import numpy as np

from bench.mot.boxes import TrackedBoxes


def scripted(number: int, *, people: int = 6, frames: int = 45) -> tuple[TrackedBoxes, TrackedBoxes]:
    """(truth, tracks). ``number`` changes how often tracks miss, stray, change their names and invent people.

    People cross each other, come late and leave early; some frames have no truth and some no tracks.
    """
    truth, tracks = [], []
    for frame in range(1, frames + 1):
        for person in range(people):
            x = 40 * person + (frame * (person % 3 - 1) * (3 + number)) % 200
            y, width, height = 50 + 9 * (person % 2), 30 + 4 * person, 80 + 10 * person
            if frame >= 1 + 2 * person and frame <= frames - person and frame % 17:
                truth.append([frame, person, x, y, width, height, 1])
            count = frame * 7 + person * 13 + number * 5
            if count % (5 + number) and frame % 19:
                stray = (count * 11) % (9 + 6 * number) - 4
                name = 100 * (number + 1) + person + people * ((frame + 5 * person) // (11 + 4 * number))
                tracks.append([frame, name, x + stray, y + stray // 2, width + stray % 5, height - stray % 7, 1])
        if frame % (4 + number) == 0:
            tracks.append([frame, 900 + frame // 20, 300, 300, 40, 90, 1])
    return TrackedBoxes.of_rows(np.array(truth, float)), TrackedBoxes.of_rows(np.array(tracks, float))
