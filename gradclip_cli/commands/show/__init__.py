"""`show`: look at the tensors of one dump by norm, and into one of them."""
