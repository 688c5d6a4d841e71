//! Non-finite, subnormal and very large values, and empty batches.

mod kit;

use alexnet_kernels::geometry::{
    ConvGeometry, Maps, NormGeometry, Normalization, PoolGeometry, Rounding, Window,
};
use alexnet_kernels::loss;
use kit::{Case, bits, cases::*, single};

const POISONS: [f32; 3] = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY];

fn window(kernel: usize, stride: usize, pad: usize) -> Window {
    Window { kernel, stride, pad, rounding: Rounding::Up }
}

fn conv(window: Window, groups: usize) -> ConvGeometry {
    ConvGeometry::new(Maps::new(7, 7, 4), 6, window, groups).unwrap()
}

/// Makes one element of one input non-finite at a time. Outputs must be non-finite exactly where those of the reference
/// are, except that outputs in `wider` may have more NaNs: there the kernel multiplies the zeros outside the map, where
/// the reference has no connection, and zero times infinity is NaN.
fn check_poison(case: &impl Case, wider: &[usize]) {
    check_values(case, &POISONS, wider);
}

/// [`check_poison`] with other values.
fn check_values(case: &impl Case, poisons: &[f32], wider: &[usize]) {
    let clean = single(&case.inputs());
    for input in 0..clean.len() {
        for &poison in poisons {
            for i in (0..clean[input].len()).step_by(clean[input].len().div_ceil(12)) {
                let mut inputs = clean.clone();
                inputs[input][i] = poison;
                let (fast, reference) = (case.fast(&inputs), case.reference(&inputs));
                for (output, (fast, reference)) in fast.iter().zip(&reference).enumerate() {
                    for (fast, reference) in fast.iter().zip(reference) {
                        let same = fast == reference || fast.is_nan() && reference.is_nan();
                        let is_close = (fast - reference).abs() <= 1e-4 * (1.0 + reference.abs());
                        let near = reference.is_finite() && is_close;
                        assert!(
                            same || near || fast.is_nan() && wider.contains(&output),
                            "{fast}, expected {reference}, in output {output} for {poison} in input {input}: {case:?}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn non_finite_values_spread_as_in_the_reference() {
    check_poison(&Conv { g: conv(window(3, 2, 0), 2), batch: 2 }, &[1]);
    check_poison(&Conv { g: conv(window(3, 2, 1), 2), batch: 2 }, &[0, 1, 2]);
    // Winograd's algorithms: without padding, with padding, folded.
    let wide = |window| ConvGeometry::new(Maps::new(11, 11, 32), 32, window, 2).unwrap();
    check_poison(&Conv { g: wide(window(3, 1, 0)), batch: 2 }, &[1]);
    check_poison(&Conv { g: wide(window(5, 1, 2)), batch: 1 }, &[0, 1, 2]);
    let folding = ConvGeometry::new(Maps::new(31, 31, 3), 16, window(11, 4, 0), 1).unwrap();
    check_poison(&Conv { g: folding, batch: 1 }, &[1]);
    check_poison(&Local { g: conv(window(3, 2, 0), 2), batch: 2 }, &[]);
    check_poison(&Local { g: conv(window(3, 2, 1), 2), batch: 2 }, &[0, 2]);
    check_poison(&Fc::new(3, 40, 20), &[]);
    check_poison(&Fc::new(11, 40, 20), &[]);
    let g = PoolGeometry::new(Maps::new(8, 8, 5), window(3, 2, 1)).unwrap();
    check_poison(&MaxPool { g, batch: 2 }, &[]);
    check_poison(&AvgPool { g, batch: 2 }, &[]);
    // Groups of 8 and 16 maps fill the registers of AVX2 and AVX-512.
    for (beta, channels) in [(0.75, 8), (0.5, 8), (0.75, 16), (0.75, 32)] {
        let constants = Normalization { size: 3, alpha: 0.5, beta, k: 1.0 };
        let g = NormGeometry::new(Maps::new(4, 4, channels), 2, constants).unwrap();
        check_poison(&Lrn { g, batch: 1 }, &[]);
        // The square is infinite, which normalizes the window to zero.
        check_values(&Lrn { g, batch: 1 }, &[1e20], &[]);
        check_poison(&MapNorm { g, batch: 1 }, &[]);
    }
    for curve in [Curve::Relu, Curve::Tanh, Curve::Logistic] {
        check_poison(&Activation { curve, len: 50 }, &[]);
    }
    check_poison(&Dropout { keys: vec![3], units: 50, rate: 0.5, scale: 2.0 }, &[]);
}

/// Sums of subnormal numbers are exact unless they are flushed to zero.
#[test]
fn subnormal_numbers_are_kept() {
    let tiny =
        |values: &mut Vec<f32>| values.iter_mut().for_each(|value| *value = (*value * 100.0).round() * 1e-43);
    let ones = |values: &mut Vec<f32>| values.fill(1.0);
    let case = Conv { g: conv(window(3, 1, 1), 2), batch: 2 };
    let mut inputs = single(&case.inputs());
    let [x, w, bias, dy] = &mut inputs[..] else { unreachable!() };
    [x, bias, dy].into_iter().for_each(tiny);
    ones(w);
    let (fast, reference) = (case.fast(&inputs), case.reference(&inputs));
    assert_eq!(bits(&fast[..2]), bits(&reference[..2]));
    assert!(fast[0].iter().any(|y| y.is_subnormal()));

    // Winograd's transforms divide, which costs subnormal numbers a few digits; they are still not flushed.
    let g = ConvGeometry::new(Maps::new(12, 12, 32), 32, window(3, 1, 1), 2).unwrap();
    let case = Conv { g, batch: 2 };
    let mut inputs = single(&case.inputs());
    let [x, w, bias, dy] = &mut inputs[..] else { unreachable!() };
    [x, bias, dy].into_iter().for_each(tiny);
    ones(w);
    let (fast, reference) = (case.fast(&inputs), case.reference(&inputs));
    for (fast, reference) in fast[..2].iter().zip(&reference) {
        let wide = |values: &[f32]| values.iter().map(|&value| f64::from(value)).collect::<Vec<_>>();
        let error = kit::relative_error(wide(fast), &wide(reference));
        assert!(error < 1e-2 && fast.iter().any(|y| y.is_subnormal()), "{error}");
    }

    let case = Fc::new(3, 40, 20);
    let mut inputs = single(&case.inputs());
    let [x, w, bias, dy] = &mut inputs[..] else { unreachable!() };
    [x, bias, dy].into_iter().for_each(tiny);
    ones(w);
    assert_eq!(bits(&case.fast(&inputs)[..2]), bits(&case.reference(&inputs)[..2]));

    for curve in [Curve::Relu, Curve::Tanh] {
        let case = Activation { curve, len: 50 };
        let mut inputs = single(&case.inputs());
        inputs.iter_mut().for_each(tiny);
        assert_eq!(bits(&case.fast(&inputs)), bits(&case.reference(&inputs)));
    }
}

#[test]
fn large_logits_neither_overflow_nor_vanish() {
    let logits = [1e30, -1e30, 0.0, 188.0, 189.0, -200.0];
    let mut dlogits = [0.0; 6];
    let value = loss::softmax_loss(&logits, &[0, 1], 2, 3, &mut dlogits);
    assert!((value - (-1.0_f64).exp().ln_1p() / 2.0).abs() < 1e-12, "{value}");
    assert!(dlogits.iter().all(|value| value.is_finite()));
    // The loss of a confident network is below the resolution of single precision near 1.
    let value = loss::softmax_loss(&[20.0, 0.0], &[0], 1, 2, &mut dlogits[..2]);
    assert!((value / (-20.0_f64).exp() - 1.0).abs() < 1e-6, "{value:e}");
    let value = loss::softmax_loss(&[f32::NAN, 0.0], &[1], 1, 2, &mut dlogits[..2]);
    assert!(value.is_nan() && dlogits[..2].iter().all(|value| value.is_nan()));
}

#[test]
#[should_panic(expected = "label 3 with 3 classes")]
fn labels_must_be_classes() {
    loss::softmax_loss(&[0.0; 3], &[3], 1, 3, &mut [0.0; 3]);
}

#[test]
#[should_panic(expected = "length of `x`")]
fn lengths_are_checked() {
    let case = Conv { g: conv(window(3, 1, 1), 2), batch: 2 };
    let mut inputs = single(&case.inputs());
    inputs[0].pop();
    case.fast(&inputs);
}

/// The gradients of weights and biases are zero.
fn has_zero_gradients(case: &impl Case) {
    let outputs = case.fast(&single(&case.inputs()));
    assert!(outputs[2..].iter().flatten().all(|&gradient| gradient == 0.0), "{case:?}");
}

/// An empty batch writes nothing and has zero gradients.
#[test]
fn empty_batches() {
    let g = conv(window(3, 1, 1), 2);
    has_zero_gradients(&Conv { g, batch: 0 });
    has_zero_gradients(&Bf16Conv { g, batch: 0 });
    has_zero_gradients(&Local { g, batch: 0 });
    has_zero_gradients(&Fc::new(0, 4, 3));
    has_zero_gradients(&Bf16Fc::new(0, 4, 3));
    let g = PoolGeometry::new(Maps::new(8, 8, 5), window(3, 2, 1)).unwrap();
    (MaxPool { g, batch: 0 }).fast(&[vec![], vec![]]);
    (AvgPool { g, batch: 0 }).fast(&[vec![], vec![]]);
    let constants = Normalization { size: 3, alpha: 0.5, beta: 0.75, k: 1.0 };
    let g = NormGeometry::new(Maps::new(4, 4, 8), 2, constants).unwrap();
    (Lrn { g, batch: 0 }).fast(&[vec![], vec![]]);
    (MapNorm { g, batch: 0 }).fast(&[vec![], vec![]]);
    (Activation { curve: Curve::Relu, len: 0 }).fast(&[vec![], vec![]]);
    (Dropout { keys: vec![], units: 5, rate: 0.5, scale: 2.0 }).fast(&[vec![], vec![]]);
    assert_eq!(loss::softmax_loss(&[], &[], 0, 3, &mut []), 0.0);
}
