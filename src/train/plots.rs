//! The curves of a training as pictures: `loss.svg`, `accuracy.svg` and `rate.svg`.
