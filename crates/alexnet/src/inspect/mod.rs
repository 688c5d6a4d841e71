//! What a trained model has learned: the figures of the paper for any model.
//!
//! | file | contents |
//! |---|---|
//! | [`Kernels`] | the kernels of the first convolution (paper, Fig. 3) |
//! | `columns` | the columns of its maps |
//! | [`color`] | how color-specific kernels and columns are |
//! | [`grid`] | kernels as an image |
//! | [`predictions`] | images with their most probable classes (paper, Fig. 4, left) |
//! | [`neighbors`] | images with the nearest training images (paper, Fig. 4, right) |
//! | [`figures`] | all of them as SVG |

pub mod color;
mod columns;
pub mod figures;
pub mod grid;
mod kernels;
pub mod neighbors;
pub mod predictions;

pub use columns::Columns;
pub use kernels::{Colors, Kernels};

#[cfg(test)]
mod tests;
