//! Files of other programs.
//!
//! | module | contents |
//! |---|---|
//! | [`cuda_convnet`] | networks of the authors' program of 2012 and its successors, as recipes |

pub mod cuda_convnet;
