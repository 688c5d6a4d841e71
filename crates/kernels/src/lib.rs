//! The arithmetic of the 2012 ImageNet network on a CPU: slices and one geometry struct in, slices out.
//!
//! Every operation has a naive `reference`, generic over `f32` and `f64` and kept for ever as the oracle, and
//! one or more fast paths that are tested against it. Nothing here knows what a network is.
//!
//! # Layout
//! Activations are channels-last: `[batch, height, width, channels]`, one contiguous slice. Bias, rectifier,
//! normalization and pooling are then contiguous loops over channels at every batch size, and a convolution's
//! left operand (pixels x channels) needs no transposition.
//!
//! # Determinism
//! Work is split over outputs, and every sum has an order that depends on shapes alone, so results have the
//! same bits at any number of threads. Kernels run on rayon's current thread pool.
//!
//! Nor do bits depend on how a batch is cut into parts (see [`part`]): a kernel that takes an `impl Into<MicroBatch>` takes a
//! number of images that are a whole batch, or a [`micro_batch::MicroBatch`] of one.
//!
//! # Instruction sets
//! [`isa::Isa::current`] chooses at run time; nothing has to be compiled for one machine.

pub mod activation;
pub mod conv;
pub mod dropout;
pub mod f16;
pub mod fc;
pub mod gemm;
pub mod geometry;
pub mod hash;
pub mod isa;
pub mod local;
pub mod loss;
pub mod lrn;
pub mod map_norm;
pub mod measure;
pub mod memory;
pub mod micro_batch;
pub mod peak;
pub mod pool;
pub mod real;
pub mod sgd;

mod patches;
mod reduce;
mod response;
mod scratch;
mod shared;
mod simd;
mod slices;
mod winograd;
