//! The arithmetic of the 2012 ImageNet network on a CPU: slices and one geometry struct in, slices out.
//!
//! Every operation has a naive `reference`, generic over `f32` and `f64` and kept for ever as the oracle, and
//! one or more fast paths that are tested against it. Nothing here knows what a network is.
//!
//! # Layout
//! Activations are channels-last: `[batch, height, width, channels]`, one contiguous slice. Bias, rectifier,
//! normalisation and pooling are then contiguous loops over channels at every batch size, and a convolution's
//! left operand (pixels x channels) needs no transposition.
//!
//! # Determinism
//! Work is split over outputs, never over a sum, so results have the same bits at any number of threads.
//! Kernels run on rayon's current thread pool.

pub mod geometry;
pub mod hash;
