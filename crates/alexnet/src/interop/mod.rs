//! Files of other programs.
//!
//! | module | contents |
//! |---|---|
//! | [`Imported`] | a network with its weights, as another program stored it, in this program's terms |
//! | [`caffe`] | networks of Caffe: definitions as recipes, weights as models, and back |
//! | [`cuda_convnet`] | networks of the authors' program of 2012 and its successors, as recipes |

pub mod caffe;
pub mod cuda_convnet;
mod imported;

pub use imported::{Imported, arrange};
