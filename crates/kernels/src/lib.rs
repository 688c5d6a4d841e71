//! CPU kernels of the 2012 ImageNet network (Krizhevsky, Sutskever and Hinton, "ImageNet Classification with Deep
//! Convolutional Neural Networks"; "the paper" throughout). Each function takes slices and one geometry struct.
//!
//! Every operation has a naive `reference`, generic over `f32` and `f64`, which serves as the oracle, and one or more
//! fast paths that are tested against it. Nothing here knows what a network is.
//!
//! | operation | paper | module |
//! |---|---|---|
//! | convolution | section 3.5 | [`conv`] |
//! | locally connected layer | | [`local`] |
//! | fully connected layer | section 3.5 | [`fc`] |
//! | rectifier (ReLU) and saturating non-linearities | section 3.1 | [`activation`] |
//! | local response normalization | section 3.3 | [`lrn`]; within maps, [`map_norm`] |
//! | overlapping pooling | section 3.4 | [`pool`]; of normalized maps, [`lrn_pool`] |
//! | dropout | section 4.2 | [`dropout`] |
//! | softmax and cross-entropy | section 3.5 | [`loss`] |
//! | momentum and weight decay | section 5 | [`sgd`] |
//! | inference in 8-bit integers | | [`int8`] |
//!
//! # Layout
//! Activations are channels-last, `[batch, height, width, channels]`, in one contiguous slice. Bias, rectifier,
//! normalization and pooling are then contiguous loops over channels at every batch size, and the left operand of a
//! convolution (pixels x channels) needs no transposition.
//!
//! # Determinism
//! Work is split by outputs, and the order of every sum depends on shapes alone, so results have the same bits at any
//! number of threads. Kernels run on rayon's current thread pool.
//!
//! Results do not depend on how a batch is cut either (see [`micro_batch`]). A kernel with an `impl Into<MicroBatch>`
//! argument accepts the size of a whole batch, or one of its micro-batches.
//!
//! # Instruction sets
//! [`isa::Isa::current`] selects the instruction set at run time: one binary uses the best of every machine.

pub mod activation;
pub mod bf16;
pub mod conv;
pub mod dropout;
pub mod f16;
pub mod fc;
pub mod gemm;
pub mod geometry;
pub mod hash;
pub mod int8;
pub mod isa;
pub mod local;
pub mod loss;
pub mod lrn;
pub mod lrn_pool;
pub mod map_norm;
pub mod measure;
pub mod memory;
pub mod micro_batch;
pub mod peak;
pub mod pool;
pub mod precision;
pub mod real;
pub mod sgd;

mod amx;
mod interpolation;
mod patches;
mod reduce;
mod response;
mod scratch;
mod shared;
mod simd;
mod slices;
mod strided;
mod transpose;
mod winograd;
