//! Figures as SVG.
//!
//! | file | contents |
//! |---|---|
//! | `svg` | elements, with escaped text and embedded images |
//! | `text` | names that fit a width |
//! | `filters` | kernels by column (paper, Fig. 3) |
//! | `predictions` | images with their most probable classes (paper, Fig. 4, left) |
//! | `neighbors` | images with the nearest training images (paper, Fig. 4, right) |

mod filters;
mod neighbors;
mod predictions;
mod svg;
mod text;

pub use filters::filters;
pub use neighbors::neighbors;
pub use predictions::predictions;
