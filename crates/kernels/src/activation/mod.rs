//! Non-linearities.
pub mod reference;
pub use reference::{logistic, logistic_backward, relu, relu_backward, tanh, tanh_backward};
