//! Matrix product: `C = A B`, overwritten, added to or with a bias, for `A: [m, k]`, `B: [k, n]`, `C: [m, n]`.
//!
//! The blocking follows Goto and van de Geijn ("Anatomy of High-Performance Matrix Multiplication", 2008). Both
//! operands are packed into panels as wide as the register tile, in blocks that each fit one level of cache:
//!
//! ```text
//! for columns of C, in blocks whose slice of B fits the shared cache
//!   for depth, in long blocks                      B is packed here, by all threads
//!     in parallel, for blocks of C                 a job owns its block of C
//!       for depth, in short blocks                 A is packed here, into the core's own cache
//!         for panels of B (first-level cache)
//!           for panels of A                        the micro-kernel: one tile of C, in registers
//! ```
//!
//! An [`Operand`] only has to know how to pack itself, so a convolution's patches are never written to memory. The
//! order of each sum over `k` depends on `k`, the instruction set and the [`Summation`], never on the number of threads.

mod amx;
mod kernel;
mod operand;
mod product;
pub mod reference;
mod shape;
mod summation;
mod tile;
mod word;

pub(crate) use kernel::{MicroKernel, WIDEST, uses_tiles};
pub(crate) use operand::{LINES, interleave, spread};
pub use operand::{Matrix, Operand};
pub(crate) use product::{LONGEST_IN_BLOCKS, depth_blocks, gemm_blocks};
pub use product::{gemm_in, gemm_with};
pub use shape::Shape;
pub use summation::Summation;
pub(crate) use tile::Tile;
pub(crate) use word::Word;
