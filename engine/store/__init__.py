"""The memory, in SQL. Writes down what was decided; never decides."""
