//! Products of bfloat16 operands agree with references whose operands are rounded in the same way.

mod kit;

use alexnet_kernels::bf16;
use alexnet_kernels::gemm::{Matrix, Shape, Summation, gemm_with, reference};
use alexnet_kernels::geometry::{ConvGeometry, Maps, Rounding, Window};
use alexnet_kernels::isa::Isa;
use alexnet_kernels::precision::Precision;
use kit::cases::{Bf16Conv, Bf16Fc};
use kit::{Case, TOLERANCE, bits, double, relative_error, shapes, single, spread, transpose};
use proptest::prelude::*;

/// The values rounded to bfloat16.
fn rounded(values: &[f32]) -> Vec<f32> {
    values.iter().map(|&value| bf16::round(value)).collect()
}

fn error(found: &[f32], expected: &[f64]) -> f64 {
    relative_error(found.iter().map(|&value| f64::from(value)), expected)
}

/// The product with either storage order of the operands, which must not matter.
fn product(isa: Isa, shape: Shape, sum: Summation, a: &[f32], b: &[f32], c: &[f32]) -> Vec<f32> {
    let Shape { m, n, k } = shape;
    let [mut along, mut across] = [c.to_vec(), c.to_vec()];
    let operands = (Matrix::along_rows(a, k), Matrix::across_rows(b, n));
    gemm_with(isa, Precision::Bf16, shape, &operands.0, &operands.1, sum, &mut along, n);
    let (a, b) = (transpose(a, m, k), transpose(b, k, n));
    let operands = (Matrix::across_rows(&a, m), Matrix::along_rows(&b, k));
    gemm_with(isa, Precision::Bf16, shape, &operands.0, &operands.1, sum, &mut across, n);
    assert!(bits(&[along.clone()]) == bits(&[across]), "{shape:?} {isa:?}: transposed operands");
    along
}

fn check(shape: Shape) {
    let Shape { m, n, k } = shape;
    let values = single(&[spread(m * k, 1), spread(k * n, 2), spread(m * n, 3)]);
    let exact = double(&[rounded(&values[0]), rounded(&values[1]), values[2].clone()]);
    for sum in [Summation::Overwrite, Summation::Add, Summation::ContinueChain] {
        let mut expected = match sum {
            Summation::Overwrite => vec![0.0; m * n],
            _ => exact[2].clone(),
        };
        reference::gemm(shape, &exact[0], &exact[1], &mut expected);
        for isa in Isa::available() {
            let found = product(isa, shape, sum, &values[0], &values[1], &values[2]);
            let error = error(&found, &expected);
            assert!(error < 1e-5, "{shape:?} {isa:?} {sum:?}: relative error {error:e}");
        }
    }
}

proptest! {
    #![proptest_config(shapes::draw(64))]

    #[test]
    fn small_products(m in 1..40_usize, n in 1..80_usize, k in 1..60_usize) {
        check(Shape { m, n, k });
    }

    /// Sums that span several blocks of depth.
    #[test]
    fn long_products(m in 1..30_usize, n in 1..40_usize, k in 700..3000_usize) {
        check(Shape { m, n, k });
    }

    #[test]
    fn fully_connected(batch in 1..40_usize, inputs in 1..200_usize, outputs in 1..60_usize) {
        let case = Bf16Fc::new(batch, inputs, outputs);
        agrees(&case, [TOLERANCE; 4]);
    }

    /// Direct convolutions.
    #[test]
    fn convolutions(g in shapes::conv(), batch in 1..6_usize) {
        prop_assume!(g.group_inputs() < 16);
        agrees(&Bf16Conv { g, batch }, [TOLERANCE; 4]);
    }

    #[test]
    fn winograd_convolutions((g, batch) in shapes::winograd_conv()) {
        agrees(&Bf16Conv { g, batch }, convolution_tolerances());
    }

    #[test]
    fn folded_convolutions((g, batch) in shapes::folded_conv()) {
        agrees(&Bf16Conv { g, batch }, convolution_tolerances());
    }
}

/// Winograd's algorithms round operands after their transforms; with AMX, convolutions are direct.
fn convolution_tolerances() -> [f64; 4] {
    let winograd = if Isa::current() == Isa::Amx { TOLERANCE } else { 2e-2 };
    [winograd, winograd, winograd, TOLERANCE]
}

/// Checks a case against the reference with rounded operands; biases and their gradients are not rounded.
fn agrees(case: &impl Case, tolerances: [f64; 4]) {
    let inputs = single(&case.inputs());
    let [x, w, bias, dy] = &inputs[..] else { unreachable!() };
    let operands = double(&[rounded(x), rounded(w), bias.clone(), rounded(dy)]);
    let mut expected = case.reference(&operands);
    expected[3] = case.reference(&double(&inputs)).remove(3);
    for (i, (found, expected)) in case.fast(&inputs).iter().zip(&expected).enumerate() {
        let error = error(found, expected);
        assert!(error < tolerances[i], "output {i}: relative error {error:e}: {case:?}");
    }
}

/// A test of the tests above: operands are rounded in every pass, which changes results by more than single precision does.
#[test]
fn rounding_is_visible() {
    let conv = |input, maps, [kernel, stride, pad]: [usize; 3]| {
        let window = Window { kernel, stride, pad, rounding: Rounding::Up };
        Bf16Conv { g: ConvGeometry::new(input, maps, window, 1).unwrap(), batch: 2 }
    };
    visible(&Bf16Fc::new(16, 300, 40));
    visible(&conv(Maps::new(9, 9, 6), 10, [3, 2, 1]));
    // Winograd's algorithms, also folded, unless there are tiles.
    visible(&conv(Maps::new(13, 13, 32), 32, [3, 1, 1]));
    visible(&conv(Maps::new(13, 13, 32), 32, [5, 1, 2]));
    visible(&conv(Maps::new(31, 31, 3), 16, [11, 4, 0]));
}

/// Checks that the output, the input gradient and the weight gradient have rounding errors.
fn visible(case: &impl Case) {
    let inputs = single(&case.inputs());
    let (found, exact) = (case.fast(&inputs), case.reference(&double(&inputs)));
    for (i, (found, exact)) in found.iter().zip(&exact).take(3).enumerate() {
        let error = error(found, exact);
        assert!((1e-5..2e-2).contains(&error), "output {i}: relative error {error:e}: {case:?}");
    }
}

/// The errors of the paper's convolutions against exact ones: what each algorithm makes of the rounding of its operands.
/// `cargo test -p alexnet-kernels --release --test bf16 -- --nocapture paper` prints them.
#[test]
fn the_papers_convolutions() {
    let conv = |input, maps, [kernel, stride, pad]: [usize; 3], groups| {
        let window = Window { kernel, stride, pad, rounding: Rounding::Up };
        ConvGeometry::new(input, maps, window, groups).unwrap()
    };
    for (name, g, batch, bounds) in [
        ("conv1", conv(Maps::new(224, 224, 3), 96, [11, 4, 0], 1), 1, [2e-2, 2e-2, 2e-2]),
        ("conv2", conv(Maps::new(27, 27, 96), 256, [5, 1, 2], 2), 1, [6e-2, 6e-2, 6e-2]),
        ("conv3", conv(Maps::new(13, 13, 256), 384, [3, 1, 1], 1), 1, [2e-2, 2e-2, 2e-2]),
        ("conv5", conv(Maps::new(13, 13, 384), 256, [3, 1, 1], 2), 4, [2e-2, 2e-2, 2e-2]),
    ] {
        let case = Bf16Conv { g, batch };
        let lens = [batch * g.input().len(), g.weights(), g.output().channels, batch * g.output().len()];
        let signed = |len: usize, seed: u64| spread(len, seed).iter().map(|value| value - 0.25).collect();
        let inputs: Vec<Vec<f64>> = lens.into_iter().zip(1..).map(|(len, seed)| signed(len, seed)).collect();
        let inputs = single(&inputs);
        let (found, exact) = (case.fast(&inputs), case.reference(&double(&inputs)));
        let errors: Vec<f64> = found.iter().zip(&exact).map(|(found, exact)| error(found, exact)).collect();
        let [forward, input, weights] = [errors[0], errors[1], errors[2]];
        println!("{name}: forward {forward:.1e}, input gradient {input:.1e}, weight gradient {weights:.1e}");
        for (error, bound) in errors.iter().zip(bounds) {
            assert!(*error < bound, "{name}: {errors:?}");
        }
    }
}

/// `vdpbf16ps`, as AMD and Intel processors compute it: the product of the high halves is added to the sum, then that of the
/// low halves, each with a single rounding; subnormal operands and results are zero.
fn multiplied_and_added(sum: f32, a: [u16; 2], b: [u16; 2]) -> f32 {
    fused(fused(sum, a[1], b[1]), a[0], b[0])
}

/// `a b + sum` with one rounding, where subnormal numbers are read and written as zero.
fn fused(sum: f32, a: u16, b: u16) -> f32 {
    let value = |half| flushed(bf16::to_f32(half));
    flushed(value(a).mul_add(value(b), flushed(sum)))
}

fn flushed(value: f32) -> f32 {
    if value.is_subnormal() { 0.0_f32.copysign(value) } else { value }
}

/// Sums of pairs have the bits of the emulated instruction on processors that have it.
#[test]
fn pairs_are_added_as_the_instruction_is_documented() {
    if !Precision::Bf16.is_native() {
        println!("skipped: this processor has no AVX512-BF16, or ALEXNET_KERNELS excludes it");
        return;
    }
    sums_are_as_documented(Isa::Avx512, |sum, pairs| {
        pairs.iter().fold(sum, |sum, &[a, b]| multiplied_and_added(sum, a, b))
    });
}

/// `tdpbf16ps`: the products of the high halves of a step and those of the low halves are summed apart from zero; then their sum is
/// added.
#[test]
fn tiles_are_added_as_the_instruction_is_documented() {
    if Isa::current() != Isa::Amx {
        println!("skipped: this processor has no AMX, or ALEXNET_KERNELS excludes it");
        return;
    }
    // Words of a step of a chained sum.
    const STEP: usize = 9;
    sums_are_as_documented(Isa::Amx, |sum, pairs| {
        pairs.chunks(STEP).fold(sum, |sum, pairs| {
            let [low, high] =
                [0, 1].map(|half| pairs.iter().fold(0.0, |sum, &[a, b]| fused(sum, a[half], b[half])));
            flushed(flushed(sum) + flushed(low + high))
        })
    });
}

/// Compares sums of pairs with an emulation, which adds the products of a list of pairs to a sum.
fn sums_are_as_documented(isa: Isa, emulated: impl Fn(f32, &[[[u16; 2]; 2]]) -> f32) {
    let (m, n, k) = (12, 32, 46);
    let shape = Shape { m, n, k };
    for exponent in [0, -60, -63] {
        let scale = 2.0_f32.powi(exponent);
        let values = single(&[spread(m * k, 1), spread(k * n, 2), spread(m * n, 3)]);
        let a: Vec<f32> = values[0].iter().map(|value| value * scale).collect();
        let b: Vec<f32> = values[1].iter().map(|value| value * scale).collect();
        let c = vec![0.0; m * n];
        let found = product(isa, shape, Summation::StartChain, &a, &b, &c);
        for (at, found) in found.iter().enumerate() {
            let (i, j) = (at / n, at % n);
            let pair = |pair: usize| {
                let [p, q] = [2 * pair, 2 * pair + 1];
                let a = [p, q].map(|p| bf16::from_f32(a[i * k + p]));
                [a, [p, q].map(|p| bf16::from_f32(b[p * n + j]))]
            };
            let expected = emulated(0.0, &(0..k / 2).map(pair).collect::<Vec<_>>());
            assert_eq!(found.to_bits(), expected.to_bits(), "2^{exponent}: {i}, {j}: {found} {expected}");
        }
    }
}
