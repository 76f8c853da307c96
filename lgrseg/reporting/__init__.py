"""Reports, tables, plots and exported videos of evaluated runs."""
