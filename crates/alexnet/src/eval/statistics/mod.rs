//! Statistics of evaluations: pure functions of counts and values. Golden values from SciPy and statsmodels are in
//! `crates/alexnet/tests/statistics`.
//!
//! | function | result |
//! |---|---|
//! | [`wilson`] | the interval of an accuracy |
//! | [`mcnemar`] | whether one of two models is better on the same images |
//! | [`paired_difference`] | the interval of the difference of their accuracies |
//! | [`sign_flip`] | whether the mean of paired differences is zero, such as over seeds |
//! | [`bca`] | the interval of that mean |
//! | [`Calibration`] | how far confidence is from accuracy: ECE, and its bins |
//! | [`temperature`] | the temperature that calibrates best |
//! | [`held_out_temperature`] | what it is worth on other images |
//! | [`Confusion`] | which classes are predicted as which: recall, precision |

mod bootstrap;
mod calibration;
mod confusion;
mod halves;
mod held_out;
mod interval;
mod mcnemar;
mod paired;
mod sign_flip;
mod temperature;
mod wilson;

pub use bootstrap::{Bootstrap, Resamples, bca, bootstrap};
pub use calibration::{BINS, Bin, Calibration};
pub use confusion::{Confused, Confusion};
pub(crate) use halves::halves;
pub use held_out::{HeldOutTemperature, held_out_temperature};
pub use interval::{Interval, LEVEL};
pub use mcnemar::{McNemar, mcnemar};
pub use paired::{Paired, paired_difference};
pub use sign_flip::{Flips, SignFlip, fewest_pairs, sign_flip, smallest_p};
pub use temperature::{Temperature, temperature};
pub use wilson::wilson;

#[cfg(test)]
mod tests;
