//! The integer kernels return exactly the integers of their definitions, with every instruction set of the machine.

mod kit;

use alexnet_kernels::geometry::{
    ConvGeometry, FcGeometry, Maps, NormGeometry, Normalization, Rounding, Window,
};
use alexnet_kernels::hash::combine;
use alexnet_kernels::int8::{
    Algorithm, ConvWeights, Int8Isa, LONGEST_SUM, QuantizedConv, QuantizedFc, QuantizedLrn, Quantizer,
    WinogradWeights, max_pool, quantize, quantize_weights, reference,
};
use alexnet_kernels::lrn;
use kit::{relative_error, shapes, spread};
use proptest::prelude::*;

/// The quantizer that keeps outputs in `f32`.
const IDENTITY: Quantizer = Quantizer { scale: 1.0, zero: 0 };

/// Irregular bytes, of which every tenth is the smallest or largest value.
fn bytes(len: usize, seed: u64) -> Vec<u8> {
    let byte = |i| {
        let bits = combine(seed, i as u64);
        match bits % 20 {
            0 => 0,
            1 => 255,
            _ => (bits >> 32) as u8,
        }
    };
    (0..len).map(byte).collect()
}

/// Irregular weights, with many of -128 and 127.
fn weights(len: usize, seed: u64) -> Vec<i8> {
    bytes(len, seed).into_iter().map(|byte| byte.wrapping_sub(128) as i8).collect()
}

/// Scales in `0.001..0.0016`.
fn scales(len: usize, seed: u64) -> Vec<f32> {
    spread(len, seed).into_iter().map(|value| (0.0012 + value * 0.0004) as f32).collect()
}

fn biases(len: usize, seed: u64) -> Vec<f32> {
    spread(len, seed).into_iter().map(|value| value as f32).collect()
}

/// A scale for which outputs of `depth` random products use the whole range.
fn output(depth: usize, zero: u8) -> Quantizer {
    Quantizer { scale: 0.02 * (depth as f32).sqrt() * 128.0 * 128.0 * 0.0012 / 128.0, zero }
}

/// Checks a kernel's bytes and `f32` values against unrounded reference values.
fn check(
    name: &str,
    [expected, expected_f32]: [Vec<f32>; 2],
    forward: impl Fn(Int8Isa, &mut [u8]),
    forward_f32: impl Fn(Int8Isa, &mut [f32]),
) {
    let expected = reference::round(&expected);
    for isa in Int8Isa::available() {
        let (mut y, mut y_f32) = (vec![77; expected.len()], vec![f32::NAN; expected.len()]);
        forward(isa, &mut y);
        assert!(y == expected, "{name}: bytes differ with {isa:?}");
        forward_f32(isa, &mut y_f32);
        assert!(y_f32 == expected_f32, "{name}: values differ with {isa:?}");
    }
}

fn check_conv(g: &ConvGeometry, batch: usize, zeros: [u8; 2], x: &[u8], w: &[i8]) {
    let input = Quantizer { scale: 0.02, zero: zeros[0] };
    let output = output(g.depth(), zeros[1]);
    let (scales, bias) = (scales(g.output().channels, 3), biases(g.output().channels, 4));
    let weights = ConvWeights::Direct { values: w, scales: &scales };
    let conv = QuantizedConv::new(g, weights, &bias, input);
    let sums = reference::conv_sums(g, batch, x, input.zero, w);
    let expected = [output, IDENTITY].map(|output| {
        let multipliers: Vec<f32> = scales.iter().map(|scale| input.scale * scale / output.scale).collect();
        let offsets: Vec<f32> =
            bias.iter().map(|bias| bias / output.scale + f32::from(output.zero)).collect();
        reference::requantize(&sums, &multipliers, &offsets)
    });
    check(
        &format!("{g:?}, batch {batch}"),
        expected,
        |isa, y| conv.clone().with_isa(isa).forward(batch, x, output, y),
        |isa, y| conv.clone().with_isa(isa).forward_f32(batch, x, y),
    );
}

fn check_random_conv(g: &ConvGeometry, batch: usize, zeros: [u8; 2]) {
    check_conv(g, batch, zeros, &bytes(batch * g.input().len(), 1), &weights(g.weights(), 2));
}

/// Random quantized weights of an algorithm; the scales only have to be plausible.
struct Transformed {
    algorithm: Algorithm,
    values: Vec<i8>,
    scales: Vec<f32>,
    input_scales: Vec<f32>,
}

impl Transformed {
    fn random(g: &ConvGeometry, algorithm: Algorithm) -> Self {
        Self {
            algorithm,
            values: weights(algorithm.transformed_len(g), 5),
            scales: scales(algorithm.elements() * g.output().channels, 6),
            input_scales: scales(algorithm.elements(), 7).iter().map(|scale| scale * 40.0).collect(),
        }
    }

    /// The best quantization of some weights, for inputs like `x`.
    fn of(g: &ConvGeometry, algorithm: Algorithm, w: &[f32], batch: usize, x: &[f32]) -> Self {
        let mut u = vec![0.0; algorithm.transformed_len(g)];
        algorithm.transform_weights(g, w, &mut u);
        let (depth, outputs, elements) = (algorithm.depth(g), g.group_outputs(), algorithm.elements());
        let (mut values, mut scales) = (vec![0; u.len()], vec![0.0; elements * g.output().channels]);
        for group in 0..g.groups() {
            for e in 0..elements {
                for o in 0..outputs {
                    let at = |i: usize| ((group * elements + e) * depth + i) * outputs + o;
                    let column: Vec<f32> = (0..depth).map(|i| u[at(i)]).collect();
                    let scale = column.iter().fold(0.0_f32, |most, u| most.max(u.abs())) / 127.0;
                    let mut quantized = vec![0; depth];
                    quantize_weights(&column, scale, &mut quantized);
                    scales[e * g.output().channels + group * outputs + o] = scale;
                    quantized.iter().enumerate().for_each(|(i, &q)| values[at(i)] = q);
                }
            }
        }
        let maxima = algorithm.input_maxima(g, batch, x);
        Self { algorithm, values, scales, input_scales: maxima.iter().map(|most| most / 127.0).collect() }
    }

    fn weights(&self) -> WinogradWeights<'_> {
        let Self { algorithm, values, scales, input_scales } = self;
        WinogradWeights { algorithm: *algorithm, values, scales, input_scales }
    }
}

fn check_winograd(g: &ConvGeometry, algorithm: Algorithm, batch: usize, zeros: [u8; 2]) {
    let input = Quantizer { scale: 0.02, zero: zeros[0] };
    let output = Quantizer { scale: output(g.depth(), 0).scale * 4.0, zero: zeros[1] };
    let (x, bias) = (bytes(batch * g.input().len(), 1), biases(g.output().channels, 4));
    let transformed = Transformed::random(g, algorithm);
    let weights = transformed.weights();
    let conv = QuantizedConv::new(g, ConvWeights::Winograd(weights), &bias, input);
    let expected =
        [output, IDENTITY].map(|output| reference::winograd(g, batch, &x, input, weights, &bias, output));
    check(
        &format!("{algorithm:?}, {g:?}, batch {batch}"),
        expected,
        |isa, y| conv.clone().with_isa(isa).forward(batch, &x, output, y),
        |isa, y| conv.clone().with_isa(isa).forward_f32(batch, &x, y),
    );
}

fn check_fc(batch: usize, inputs: usize, outputs: usize, zeros: [u8; 2], x: &[u8], w: &[i8]) {
    let g = FcGeometry::new(inputs, outputs).unwrap();
    let (input, output) = (Quantizer { scale: 0.02, zero: zeros[0] }, output(inputs, zeros[1]));
    let (scales, bias) = (scales(outputs, 3), biases(outputs, 4));
    let fc = QuantizedFc::new(&g, w, &scales, &bias, input);
    let sums = reference::fc_sums(&g, batch, x, input.zero, w);
    let expected = [output, IDENTITY].map(|output| {
        let multipliers: Vec<f32> = scales.iter().map(|scale| input.scale * scale / output.scale).collect();
        let offsets: Vec<f32> =
            bias.iter().map(|bias| bias / output.scale + f32::from(output.zero)).collect();
        reference::requantize(&sums, &multipliers, &offsets)
    });
    check(
        &format!("{g:?}, batch {batch}"),
        expected,
        |isa, y| fc.clone().with_isa(isa).forward(batch, x, output, y),
        |isa, y| fc.clone().with_isa(isa).forward_f32(batch, x, y),
    );
}

fn check_lrn(g: &NormGeometry, batch: usize, zeros: [u8; 2]) {
    let [input, output] =
        [Quantizer { scale: 0.3, zero: zeros[0] }, Quantizer { scale: 0.11, zero: zeros[1] }];
    let x = bytes(batch * g.maps().len(), 1);
    let mut expected = vec![0; x.len()];
    reference::lrn(g, &x, [input, output], &mut expected);
    for isa in Int8Isa::available() {
        let mut y = vec![77; x.len()];
        QuantizedLrn::new(g, input, output).with_isa(isa).forward(batch, &x, &mut y);
        assert!(y == expected, "{g:?} differs with {isa:?}");
    }
}

fn zeros() -> impl Strategy<Value = [u8; 2]> {
    let zero = || prop_oneof![Just(0_u8), Just(3), Just(128), Just(255)];
    [zero(), zero()]
}

/// The side of an algorithm's kernel.
fn kernel(algorithm: Algorithm) -> usize {
    match algorithm {
        Algorithm::F2x3 | Algorithm::F4x3 => 3,
        Algorithm::F2x5Vertical => 5,
    }
}

/// Convolutions that one of the algorithms fits.
fn winograd_conv() -> impl Strategy<Value = (ConvGeometry, Algorithm)> {
    let channels = || prop_oneof![1..5_usize, Just(7), Just(19), Just(33)];
    let algorithm = proptest::sample::select(&Algorithm::ALL[..]);
    (1..14_usize, 1..14_usize, channels(), channels(), 1..4_usize, 0..5_usize, algorithm).prop_filter_map(
        "the window does not fit",
        |(height, width, inputs, outputs, groups, pad, algorithm)| {
            let kernel = kernel(algorithm);
            let window = Window { kernel, stride: 1, pad: pad % kernel, rounding: Rounding::Down };
            let input = Maps::new(height, width, groups * inputs);
            Some((ConvGeometry::new(input, groups * outputs, window, groups).ok()?, algorithm))
        },
    )
}

proptest! {
    #![proptest_config(shapes::draw(96))]

    #[test]
    fn conv(g in shapes::conv(), batch in 0..4_usize, zeros in zeros()) {
        check_random_conv(&g, batch, zeros);
    }

    #[test]
    fn winograd((g, algorithm) in winograd_conv(), batch in 0..4_usize, zeros in zeros()) {
        check_winograd(&g, algorithm, batch, zeros);
    }

    #[test]
    fn fc(batch in 0..30_usize, inputs in 1..150_usize, outputs in 1..80_usize, zeros in zeros()) {
        check_fc(batch, inputs, outputs, zeros, &bytes(batch * inputs, 1), &weights(inputs * outputs, 2));
    }

    #[test]
    fn max_pooling(g in shapes::pool(), batch in 0..4_usize) {
        let x = bytes(batch * g.input().len(), 1);
        let (mut y, mut expected) = (vec![77; batch * g.output().len()], vec![78; batch * g.output().len()]);
        max_pool(&g, batch, &x, &mut y);
        reference::max_pool(&g, batch, &x, &mut expected);
        prop_assert_eq!(y, expected);
    }

    #[test]
    fn lrn_of_any_shape(g in shapes::norm(), batch in 0..4_usize, zeros in zeros()) {
        check_lrn(&g, batch, zeros);
    }
}

/// Shapes that cross every block: several jobs, panels and tiles, and every height of a tile.
#[test]
fn large_shapes() {
    let window = |kernel, stride, pad| Window { kernel, stride, pad, rounding: Rounding::Up };
    for (maps, outputs, window, groups, batch) in [
        (Maps::new(40, 37, 3), 96, window(11, 4, 2), 1, 2),
        (Maps::new(9, 9, 32), 72, window(5, 1, 2), 2, 7),
        (Maps::new(13, 13, 40), 100, window(3, 1, 1), 1, 5),
        (Maps::new(33, 31, 1), 33, window(7, 2, 3), 1, 3),
    ] {
        check_random_conv(&ConvGeometry::new(maps, outputs, window, groups).unwrap(), batch, [3, 5]);
    }
    let same = |kernel: usize| window(kernel, 1, kernel / 2);
    for (maps, outputs, algorithm, groups, batch) in [
        (Maps::new(13, 13, 64), 96, Algorithm::F2x3, 2, 3),
        (Maps::new(13, 12, 40), 72, Algorithm::F4x3, 1, 5),
        (Maps::new(27, 26, 48), 72, Algorithm::F2x5Vertical, 2, 2),
        (Maps::new(31, 40, 17), 40, Algorithm::F2x5Vertical, 1, 1),
    ] {
        let g = ConvGeometry::new(maps, outputs, same(kernel(algorithm)), groups).unwrap();
        check_winograd(&g, algorithm, batch, [3, 5]);
    }
    for (batch, inputs, outputs) in [(1, 3000, 1000), (150, 700, 100), (13, 9216, 33), (2, 5, 130)] {
        check_fc(batch, inputs, outputs, [0, 9], &bytes(batch * inputs, 1), &weights(inputs * outputs, 2));
    }
}

/// Products of extreme values, which saturate the 16 bits of `vpmaddubsw`, and the longest sums.
#[test]
fn extreme_values() {
    let g = FcGeometry::new(LONGEST_SUM, 2).unwrap();
    for zero in [0, 1, 128, 255] {
        for (x, w) in [(255, 127), (255, -128), (0, 127), (0, -128), (128, -128)] {
            check_fc(
                5,
                g.inputs(),
                g.outputs(),
                [zero, 128],
                &vec![x; 5 * g.inputs()],
                &vec![w; g.weights()],
            );
            let window = Window { kernel: 3, stride: 1, pad: 2, rounding: Rounding::Down };
            let conv = ConvGeometry::new(Maps::new(5, 4, 37), 35, window, 1).unwrap();
            check_conv(&conv, 2, [zero, 128], &vec![x; 2 * conv.input().len()], &vec![w; conv.weights()]);
        }
    }
}

/// A quantizer for values in a range that includes 0.
fn fitted(values: &[f32]) -> Quantizer {
    let (low, high) =
        values.iter().fold((0.0_f32, 0.0_f32), |(low, high), &value| (low.min(value), high.max(value)));
    let scale = (high - low) / 255.0;
    Quantizer { scale, zero: (-low / scale).round() as u8 }
}

/// Winograd's algorithms approximate the convolution of the unquantized values.
#[test]
fn winograd_approximates_the_convolution() {
    for (algorithm, bound) in
        [(Algorithm::F2x3, 0.015), (Algorithm::F4x3, 0.04), (Algorithm::F2x5Vertical, 0.03)]
    {
        let kernel = kernel(algorithm);
        let window = Window { kernel, stride: 1, pad: kernel / 2, rounding: Rounding::Down };
        let g = ConvGeometry::new(Maps::new(13, 13, 64), 32, window, 2).unwrap();
        let batch = 2;
        let x: Vec<f32> =
            spread(batch * g.input().len(), 1).into_iter().map(|value| (value as f32).max(0.0)).collect();
        let w: Vec<f32> =
            spread(g.weights(), 2).into_iter().map(|value| (value - 0.25) as f32 / 10.0).collect();
        let bias = vec![0.0; g.output().channels];
        let mut expected = vec![0.0; batch * g.output().len()];
        alexnet_kernels::conv::reference::forward(&g, batch, &x, &w, &bias, &mut expected);
        let input = fitted(&x);
        let mut bytes = vec![0; x.len()];
        quantize(&x, input, &mut bytes);
        let transformed = Transformed::of(&g, algorithm, &w, batch, &x);
        let conv = QuantizedConv::new(&g, ConvWeights::Winograd(transformed.weights()), &bias, input);
        let mut y = vec![0.0; expected.len()];
        conv.forward_f32(batch, &bytes, &mut y);
        let expected: Vec<f64> = expected.into_iter().map(f64::from).collect();
        let error = relative_error(y.into_iter().map(f64::from), &expected);
        println!("{}: {error}", algorithm.name());
        assert!(error < bound, "{}: relative error {error}", algorithm.name());
    }
}

/// The normalized bytes are those of exact arithmetic, rounded, up to 1.
#[test]
fn lrn_approximates_the_definition() {
    let constants = Normalization { size: 5, alpha: 1e-4, beta: 0.75, k: 2.0 };
    let g = NormGeometry::new(Maps::new(7, 5, 96), 2, constants).unwrap();
    let [input, output] = [Quantizer { scale: 0.7, zero: 0 }, Quantizer { scale: 0.24, zero: 0 }];
    let x = bytes(g.maps().len(), 1);
    let mut y = vec![0; x.len()];
    QuantizedLrn::new(&g, input, output).forward(1, &x, &mut y);
    let values: Vec<f64> = x.iter().map(|&q| f64::from(input.dequantize(q))).collect();
    let mut exact = vec![0.0; x.len()];
    lrn::reference::forward(&g, 1, &values, &mut exact);
    let mut different = 0;
    for (y, exact) in y.into_iter().zip(exact) {
        let expected = output.quantize(exact as f32);
        assert!(y.abs_diff(expected) <= 1, "{y} for {exact}");
        different += usize::from(y != expected);
    }
    assert!(different < x.len() / 500, "{different} of {} bytes differ", x.len());
}

/// An image has the same outputs alone and in a batch, and on any number of threads.
#[test]
fn batches_and_threads_do_not_change_results() {
    let window = Window { kernel: 3, stride: 1, pad: 1, rounding: Rounding::Down };
    let g = ConvGeometry::new(Maps::new(13, 13, 32), 72, window, 1).unwrap();
    let fc = FcGeometry::new(g.input().len(), 300).unwrap();
    let (input, output, batch) = (Quantizer { scale: 0.02, zero: 3 }, output(g.depth(), 7), 9);
    let (scales, bias, w) = (scales(300, 3), biases(300, 4), weights(fc.weights(), 2));
    let x = bytes(batch * g.input().len(), 1);
    let transformed = [Algorithm::F2x3, Algorithm::F4x3].map(|one| Transformed::random(&g, one));
    let direct = ConvWeights::Direct { values: &w[..g.weights()], scales: &scales[..72] };
    let convs = [
        direct,
        ConvWeights::Winograd(transformed[0].weights()),
        ConvWeights::Winograd(transformed[1].weights()),
    ]
    .map(|weights| QuantizedConv::new(&g, weights, &bias[..72], input));
    let fc_layer = QuantizedFc::new(&fc, &w, &scales, &bias, input);
    let run = |threads: usize, piece: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut results = vec![Vec::new(); 4];
            for x in x.chunks(piece * g.input().len()) {
                let images = x.len() / g.input().len();
                for (conv, results) in convs.iter().zip(&mut results) {
                    let mut y = vec![0; images * g.output().len()];
                    conv.forward(images, x, output, &mut y);
                    results.extend(y);
                }
                let mut y = vec![0; images * fc.outputs()];
                fc_layer.forward(images, x, output, &mut y);
                results[3].extend(y);
            }
            results
        })
    };
    let whole = run(1, batch);
    for (threads, piece) in [(2, batch), (4, batch), (1, 1), (2, 2), (3, 4)] {
        assert!(run(threads, piece) == whole, "{threads} threads, {piece} images at a time");
    }
}
