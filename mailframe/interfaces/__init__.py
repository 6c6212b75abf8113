"""The promises between mailframe and its plugins: letters to someone we will never meet."""
