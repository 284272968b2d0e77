"""Paint: widgets draw values and emit wishes; they know neither machines nor databases."""
