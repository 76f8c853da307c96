"""A student and its teacher: LGSD, mean teacher, and their schedules."""
