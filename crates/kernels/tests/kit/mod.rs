//! The test kit: each operation is a [`Case`], and each check is written once for all cases.

#![allow(dead_code, unreachable_pub)] // Shared by test programs that each use a part of it.

pub mod cases;
pub mod shapes;

use alexnet_kernels::hash::combine;
use alexnet_kernels::real::Real;

/// The largest relative RMS error of a fast kernel, compared with the reference in `f64`.
pub const TOLERANCE: f64 = 1e-6;

/// An operation of a given shape.
///
/// The last input is the gradient of the first output, `dy`. The outputs are `y`, then the gradients of the other
/// inputs, in order.
pub trait Case: std::fmt::Debug + Sync {
    /// Values for all inputs, away from points where the operation is not differentiable.
    fn inputs(&self) -> Vec<Vec<f64>>;
    /// The outputs of the fast kernels.
    fn fast(&self, inputs: &[Vec<f32>]) -> Vec<Vec<f32>>;
    /// The outputs of the reference.
    fn reference<T: Real>(&self, inputs: &[Vec<T>]) -> Vec<Vec<T>>;
}

/// Values in `-0.5..1`, all distinct, evenly spaced and none of them 0, in an order that depends on `seed`.
pub fn spread(len: usize, seed: u64) -> Vec<f64> {
    let mut ranks: Vec<usize> = (0..len).collect();
    ranks.sort_by_key(|&i| combine(seed, i as u64));
    ranks.iter().map(|&rank| (rank as f64 + 0.5) / len as f64 * 1.5 - 0.5).collect()
}

/// Positive values, for operations that sum products: no sum cancels, which would leave only rounding errors to compare.
pub fn positive(len: usize, seed: u64) -> Vec<f64> {
    spread(len, seed).iter().map(|value| value + 0.6).collect()
}

/// A matrix of `rows` x `columns` column by column.
pub fn transpose(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    (0..values.len()).map(|i| values[i % rows * columns + i / rows]).collect()
}

/// The same values in single precision.
pub fn single(inputs: &[Vec<f64>]) -> Vec<Vec<f32>> {
    inputs.iter().map(|values| values.iter().map(|&value| value as f32).collect()).collect()
}

/// The same values in double precision.
pub fn double(inputs: &[Vec<f32>]) -> Vec<Vec<f64>> {
    inputs.iter().map(|values| values.iter().map(|&value| f64::from(value)).collect()).collect()
}

/// `|a - b| / |b|` in the Euclidean norm.
pub fn relative_error(a: impl IntoIterator<Item = f64>, b: &[f64]) -> f64 {
    let distance: f64 = a.into_iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum();
    let size: f64 = b.iter().map(|b| b * b).sum();
    if distance == 0.0 { 0.0 } else { (distance / size).sqrt() }
}

/// Checks that outputs agree within the tolerance.
///
/// # Errors
/// Returns the output that does not agree, and its error.
pub fn agree(fast: &[Vec<f32>], reference: &[Vec<f64>]) -> Result<(), String> {
    agree_within(&vec![TOLERANCE; fast.len()], fast, reference)
}

/// Checks that each output agrees within its own tolerance.
///
/// # Errors
/// Returns the output that does not agree, and its error.
pub fn agree_within(tolerances: &[f64], fast: &[Vec<f32>], reference: &[Vec<f64>]) -> Result<(), String> {
    assert!(fast.len() == reference.len() && fast.len() == tolerances.len());
    for (i, (fast, reference)) in fast.iter().zip(reference).enumerate() {
        assert_eq!(fast.len(), reference.len());
        let error = relative_error(fast.iter().map(|&value| f64::from(value)), reference);
        if error.is_nan() || error >= tolerances[i] {
            return Err(format!("relative error {error:e} in output {i}"));
        }
    }
    Ok(())
}

/// Checks that the fast kernels agree with the reference.
pub fn check_agreement(case: &impl Case) {
    let inputs = single(&case.inputs());
    let result = agree(&case.fast(&inputs), &case.reference(&double(&inputs)));
    assert!(result.is_ok(), "{}: {case:?}", result.unwrap_err());
}

/// [`check_agreement`] for Winograd's algorithms, whose sums and differences lose a few digits of `y`, `dx` and `dw`.
pub fn check_winograd_agreement(case: &impl Case) {
    let inputs = single(&case.inputs());
    let tolerances = [5e-6, 5e-6, 1e-5, TOLERANCE];
    let result = agree_within(&tolerances, &case.fast(&inputs), &case.reference(&double(&inputs)));
    assert!(result.is_ok(), "{}: {case:?}", result.unwrap_err());
}

/// Checks the gradients of the reference against central differences of its first output.
pub fn check_gradients(case: &impl Case) {
    const STEP: f64 = 1e-5;
    /// Elements of an input that are varied, at most.
    const PROBES: usize = 60;

    let mut inputs = case.inputs();
    let gradients = case.reference(&inputs);
    let dy = inputs.last().unwrap().clone();
    let loss = |inputs: &[Vec<f64>]| -> f64 {
        case.reference(inputs)[0].iter().zip(&dy).map(|(y, dy)| y * dy).sum()
    };
    for input in 0..inputs.len() - 1 {
        let (mut differences, mut claims) = (Vec::new(), Vec::new());
        for i in (0..inputs[input].len()).step_by(inputs[input].len().div_ceil(PROBES).max(1)) {
            let value = inputs[input][i];
            let [above, below] = [value + STEP, value - STEP].map(|moved| {
                inputs[input][i] = moved;
                loss(&inputs)
            });
            inputs[input][i] = value;
            differences.push((above - below) / (2.0 * STEP));
            claims.push(gradients[1 + input][i]);
        }
        let error = relative_error(differences, &claims);
        assert!(error < 1e-6, "the gradient of input {input} has relative error {error:e}: {case:?}");
    }
}

/// Checks that the fast kernels return the same bits on 1, 2 and 4 threads.
pub fn check_threads(case: &impl Case) {
    let inputs = single(&case.inputs());
    let [one, two, four] = [1, 2, 4].map(|threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        bits(&pool.install(|| case.fast(&inputs)))
    });
    assert!(one == two && one == four, "bits depend on the number of threads: {case:?}");
}

/// The bits of some outputs.
pub fn bits(outputs: &[Vec<f32>]) -> Vec<Vec<u32>> {
    outputs.iter().map(|values| values.iter().map(|value| value.to_bits()).collect()).collect()
}
