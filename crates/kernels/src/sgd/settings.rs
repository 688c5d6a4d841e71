//! The coefficients of one update.

/// The coefficients of `v <- momentum v - weight_decay learning_rate w - learning_rate g`, `w <- w + v`.
///
/// The paper uses momentum 0.9, weight decay 0.0005 and a learning rate that starts at 0.01.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SgdSettings<T = f32> {
    /// Factor of the gradient.
    pub learning_rate: T,
    /// Factor of the previous velocity.
    pub momentum: T,
    /// Factor of the weights, in units of the learning rate.
    pub weight_decay: T,
}
