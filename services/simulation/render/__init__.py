"""Pictures of the nursery: geometry from the building's data, light, lens and sensor. Needs ``kanhu[simulation]`` to draw.

``camera_model`` is plain arithmetic and may be imported without the renderer's libraries.
"""
