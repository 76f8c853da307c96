"""Models, their parts and their losses; importing this package alone loads none of them."""
