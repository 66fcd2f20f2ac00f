"""Save gradients from a PyTorch training loop, between the backward pass and clipping, as dumps that `gradclip` reads.

Importing this package imports torch, which is yours and no dependency of gradclip. It knows nothing of the rest of gradclip.
"""

from gradclip_cli.torch.capture import Capture

__all__ = ["Capture"]
