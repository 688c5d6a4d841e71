//! A batch split into micro-batches gives the bits of the whole batch: the values of each image, and the sums over images.

mod kit;

use alexnet_kernels::activation::Epilogue;
use alexnet_kernels::geometry::{ConvGeometry, FcGeometry, Maps, Rounding, Window};
use alexnet_kernels::memory::Buffer;
use alexnet_kernels::micro_batch::{GRANULE, GradAccumulator, MicroBatch, granule};
use alexnet_kernels::precision::Precision;
use alexnet_kernels::{conv, fc, local, loss};
use kit::{bits, shapes, single, spread};
use proptest::prelude::*;
use std::ops::Range;

/// A layer with weights, computed one micro-batch at a time.
trait LayerWithWeights: Sync {
    /// Images that a micro-batch is a multiple of.
    fn granule(&self) -> usize {
        GRANULE
    }
    /// Values of an image's input and output, weights, biases.
    fn lens(&self) -> [usize; 4];
    fn accumulator(&self, batch: usize) -> GradAccumulator;
    fn forward(&self, micro_batch: MicroBatch, x: &[f32], w: &[f32], bias: &[f32], y: &mut [f32]);
    fn backward_input(&self, micro_batch: MicroBatch, dy: &[f32], w: &[f32], dx: &mut [f32]);
    fn accumulate(
        &self,
        micro_batch: MicroBatch,
        x: &[f32],
        dy: &[f32],
        dw: &mut [f32],
        dbias: &mut [f32],
        accumulator: &mut GradAccumulator,
    );
}

struct Conv {
    g: ConvGeometry,
    precision: Precision,
}

impl LayerWithWeights for Conv {
    fn granule(&self) -> usize {
        granule(self.precision)
    }

    fn lens(&self) -> [usize; 4] {
        [self.g.input().len(), self.g.output().len(), self.g.weights(), self.g.output().channels]
    }

    fn accumulator(&self, batch: usize) -> GradAccumulator {
        with_buffer(conv::accumulator_len(&self.g, self.precision, batch))
    }

    fn forward(&self, micro_batch: MicroBatch, x: &[f32], w: &[f32], bias: &[f32], y: &mut [f32]) {
        conv::forward(&self.g, self.precision, micro_batch, x, w, bias, Epilogue::Relu, y);
    }

    fn backward_input(&self, micro_batch: MicroBatch, dy: &[f32], w: &[f32], dx: &mut [f32]) {
        conv::backward_input(&self.g, self.precision, micro_batch, dy, w, dx);
    }

    fn accumulate(
        &self,
        micro_batch: MicroBatch,
        x: &[f32],
        dy: &[f32],
        dw: &mut [f32],
        dbias: &mut [f32],
        accumulator: &mut GradAccumulator,
    ) {
        conv::accumulate_gradients(&self.g, self.precision, micro_batch, x, dy, dw, dbias, accumulator);
    }
}

struct Local {
    g: ConvGeometry,
}

impl LayerWithWeights for Local {
    fn lens(&self) -> [usize; 4] {
        [self.g.input().len(), self.g.output().len(), self.g.local_weights(), self.g.output().len()]
    }

    fn accumulator(&self, _: usize) -> GradAccumulator {
        GradAccumulator::default()
    }

    fn forward(&self, micro_batch: MicroBatch, x: &[f32], w: &[f32], bias: &[f32], y: &mut [f32]) {
        local::forward(&self.g, micro_batch.images(), x, w, bias, y);
    }

    fn backward_input(&self, micro_batch: MicroBatch, dy: &[f32], w: &[f32], dx: &mut [f32]) {
        local::backward_input(&self.g, micro_batch.images(), dy, w, dx);
    }

    fn accumulate(
        &self,
        micro_batch: MicroBatch,
        x: &[f32],
        dy: &[f32],
        dw: &mut [f32],
        dbias: &mut [f32],
        accumulator: &mut GradAccumulator,
    ) {
        local::accumulate_gradients(&self.g, micro_batch, x, dy, dw, dbias, accumulator);
    }
}

struct Fc {
    g: FcGeometry,
    precision: Precision,
}

impl LayerWithWeights for Fc {
    fn granule(&self) -> usize {
        granule(self.precision)
    }

    fn lens(&self) -> [usize; 4] {
        [self.g.inputs(), self.g.outputs(), self.g.weights(), self.g.outputs()]
    }

    fn accumulator(&self, _: usize) -> GradAccumulator {
        GradAccumulator::default()
    }

    fn forward(&self, micro_batch: MicroBatch, x: &[f32], w: &[f32], bias: &[f32], y: &mut [f32]) {
        fc::forward(&self.g, self.precision, micro_batch, x, w, bias, y);
    }

    fn backward_input(&self, micro_batch: MicroBatch, dy: &[f32], w: &[f32], dx: &mut [f32]) {
        fc::backward_input(&self.g, self.precision, micro_batch.images(), dy, w, dx);
    }

    fn accumulate(
        &self,
        micro_batch: MicroBatch,
        x: &[f32],
        dy: &[f32],
        dw: &mut [f32],
        dbias: &mut [f32],
        accumulator: &mut GradAccumulator,
    ) {
        fc::accumulate_gradients(&self.g, self.precision, micro_batch, x, dy, dw, dbias, accumulator);
    }
}

fn with_buffer(len: usize) -> GradAccumulator {
    GradAccumulator::new(Buffer::zeros(len).unwrap())
}

/// Inputs, weights, biases and output gradients, of both signs.
fn inputs(layer: &impl LayerWithWeights, batch: usize) -> Vec<Vec<f32>> {
    let [x, y, w, bias] = layer.lens();
    single(&[spread(batch * x, 1), spread(w, 2), spread(bias, 3), spread(batch * y, 4)])
}

/// `y`, `dx`, `dw` and `dbias` of a batch, computed in these micro-batches.
fn in_micro_batches(
    layer: &impl LayerWithWeights,
    batch: usize,
    inputs: &[Vec<f32>],
    micro_batches: &[MicroBatch],
) -> Vec<Vec<f32>> {
    let [x_len, y_len, ..] = layer.lens();
    let [x, w, bias, dy] = inputs else { unreachable!() };
    let [mut y, mut dx, mut dw, mut dbias] = [dy, x, w, bias].map(|like| vec![f32::NAN; like.len()]);
    let mut accumulator = layer.accumulator(batch);
    for &micro_batch in micro_batches {
        let of =
            |len: usize| -> Range<usize> { micro_batch.range().start * len..micro_batch.range().end * len };
        let (x, dy) = (&x[of(x_len)], &dy[of(y_len)]);
        layer.forward(micro_batch, x, w, bias, &mut y[of(y_len)]);
        layer.backward_input(micro_batch, dy, w, &mut dx[of(x_len)]);
        layer.accumulate(micro_batch, x, dy, &mut dw, &mut dbias, &mut accumulator);
    }
    vec![y, dx, dw, dbias]
}

/// Splits a batch at `cuts`, arbitrary numbers that are mapped to granules.
fn split(batch: usize, granule: usize, cuts: &[usize]) -> Vec<MicroBatch> {
    let mut at: Vec<usize> = cuts.iter().map(|cut| cut * granule % batch / granule * granule).collect();
    at.extend([0, batch]);
    at.sort_unstable();
    at.dedup();
    at.windows(2).map(|ends| MicroBatch::new(ends[0]..ends[1], batch)).collect()
}

fn check(layer: &impl LayerWithWeights, batch: usize, cuts: &[usize]) {
    let (inputs, split) = (inputs(layer, batch), split(batch, layer.granule(), cuts));
    let whole = bits(&in_micro_batches(layer, batch, &inputs, &[batch.into()]));
    for threads in [1, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let cut = bits(&pool.install(|| in_micro_batches(layer, batch, &inputs, &split)));
        for (i, (cut, whole)) in cut.iter().zip(&whole).enumerate() {
            assert!(
                cut == whole,
                "output {i}: bits depend on the micro-batches {split:?}, {threads} threads"
            );
        }
    }
}

/// Positions to split a batch at.
fn cuts() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(1..100_usize, 1..5)
}

proptest! {
    #![proptest_config(shapes::draw(64))]

    #[test]
    fn convolutions(g in shapes::conv(), batch in 10..60_usize, cuts in cuts()) {
        for precision in Precision::ALL {
            check(&Conv { g, precision }, batch, &cuts);
        }
    }

    #[test]
    fn narrow_convolutions(g in shapes::narrow_conv(), batch in 10..60_usize, cuts in cuts()) {
        for precision in Precision::ALL {
            check(&Conv { g, precision }, batch, &cuts);
        }
    }

    #[test]
    fn winograd_convolutions((g, batch) in shapes::winograd_conv(), more in 0..40_usize, cuts in cuts()) {
        for precision in Precision::ALL {
            check(&Conv { g, precision }, batch + more, &cuts);
        }
    }

    #[test]
    fn folded_convolutions((g, batch) in shapes::folded_conv(), more in 9..30_usize, cuts in cuts()) {
        for precision in Precision::ALL {
            check(&Conv { g, precision }, batch + more, &cuts);
        }
    }

    #[test]
    fn locally_connected(g in shapes::conv(), batch in 10..60_usize, cuts in cuts()) {
        prop_assume!(g.local_weights() < 100_000);
        check(&Local { g }, batch, &cuts);
    }

    #[test]
    fn fully_connected(inputs in 1..500_usize, outputs in 1..80_usize, batch in 1..60_usize, cuts in cuts()) {
        for precision in Precision::ALL {
            check(&fc_layer(precision, inputs, outputs), batch, &cuts);
        }
    }

    #[test]
    fn losses(classes in 2..20_usize, batch in 1..60_usize, cuts in cuts()) {
        let logits: Vec<f32> = single(&[spread(batch * classes, 1)]).remove(0);
        let labels: Vec<u32> = (0..batch).map(|i| (i * 7 % classes) as u32).collect();
        let (mut whole, mut cut) = (vec![0.0; logits.len()], vec![0.0; logits.len()]);
        let loss = loss::softmax_loss(&logits, &labels, batch, classes, &mut whole);
        let mut sum = 0.0;
        for micro_batch in split(batch, GRANULE, &cuts) {
            let images = micro_batch.range();
            let of = images.start * classes..images.end * classes;
            let (logits, dlogits) = (&logits[of.clone()], &mut cut[of]);
            loss::accumulate_softmax_loss(logits, &labels[images], micro_batch.batch(), classes, dlogits, &mut sum);
        }
        prop_assert_eq!((sum / batch as f64).to_bits(), loss.to_bits());
        prop_assert_eq!(bits(&[cut]), bits(&[whole]));
    }
}

fn conv_layer(side: usize, inputs: usize, outputs: usize, [kernel, stride, pad]: [usize; 3]) -> ConvGeometry {
    let window = Window { kernel, stride, pad, rounding: Rounding::Up };
    ConvGeometry::new(Maps::new(side, side, inputs), outputs, window, 1).unwrap()
}

fn fc_layer(precision: Precision, inputs: usize, outputs: usize) -> Fc {
    Fc { g: FcGeometry::new(inputs, outputs).unwrap(), precision }
}

/// Weight gradients so large that there is one sum for the whole batch, and so small that there is one per granule; sums
/// longer than a block of depth; a last micro-batch of one image.
#[test]
fn large_shapes() {
    for precision in Precision::ALL {
        check(&Conv { g: conv_layer(13, 160, 136, [3, 1, 1]), precision }, 28, &[1]);
        check(&Conv { g: conv_layer(5, 256, 264, [3, 1, 1]), precision }, 40, &[1, 2]);
        check(&Conv { g: conv_layer(13, 32, 64, [3, 1, 1]), precision }, 170, &[3, 4, 11]);
        check(&Conv { g: conv_layer(32, 3, 32, [5, 1, 2]), precision }, 37, &[1, 3]);
        check(&fc_layer(precision, 700, 40), 500, &[1, 33, 51]);
        check(&fc_layer(precision, 40, 700), 2500, &[5, 99]);
    }
    check(&Local { g: conv_layer(5, 4, 6, [3, 1, 1]) }, 500, &[7, 33, 51]);
}

/// A micro-batch without images changes nothing, with Winograd's algorithms too.
#[test]
fn empty_micro_batches() {
    let layer = Conv { g: conv_layer(13, 32, 48, [3, 1, 1]), precision: Precision::F32 };
    let [input, output, weights, biases] = layer.lens();
    let (batch, w, bias) = (18, vec![0.5; weights], vec![0.25; biases]);
    let (x, dy) =
        (single(&[spread(batch * input, 1)]).remove(0), single(&[spread(batch * output, 2)]).remove(0));
    let gradients = |cuts: &[std::ops::Range<usize>]| {
        let (mut dw, mut dbias) = (vec![f32::NAN; weights], vec![f32::NAN; biases]);
        let mut accumulator = layer.accumulator(batch);
        for images in cuts {
            let (x, dy) = (
                &x[images.start * input..images.end * input],
                &dy[images.start * output..images.end * output],
            );
            let micro_batch = MicroBatch::new(images.clone(), batch);
            layer.accumulate(micro_batch, x, dy, &mut dw, &mut dbias, &mut accumulator);
            let (mut y, mut dx) = (vec![0.0; dy.len()], vec![0.0; x.len()]);
            layer.forward(micro_batch, x, &w, &bias, &mut y);
            layer.backward_input(micro_batch, dy, &w, &mut dx);
        }
        bits(&[dw, dbias])
    };
    assert_eq!(gradients(&[0..9, 9..9, 9..18]), gradients(&[0..9, 9..18]));
}

/// A non-finite value in one image spoils Winograd's results for others in its plane: those are recomputed, and have the
/// same bits however the batch is split.
#[test]
fn non_finite_values() {
    for precision in Precision::ALL {
        let layer = Conv { g: conv_layer(13, 32, 32, [3, 1, 1]), precision };
        let mut inputs = inputs(&layer, 40);
        inputs[0][20 * layer.g.input().len() + 5] = f32::INFINITY;
        inputs[3][30 * layer.g.output().len() + 5] = f32::MAX;
        let whole = in_micro_batches(&layer, 40, &inputs, &[40.into()]);
        let cut = in_micro_batches(&layer, 40, &inputs, &split(40, layer.granule(), &[1, 2]));
        assert!(whole[0].iter().any(|y| y.is_infinite()) && whole[1].iter().any(|dx| dx.abs() > 1e37));
        assert!(bits(&cut[..2]) == bits(&whole[..2]));
    }
}

/// The gradients of some images as a separate batch.
fn gradients(layer: &impl LayerWithWeights, inputs: &[Vec<f32>], images: Range<usize>) -> Vec<Vec<f32>> {
    let [x_len, y_len, w, bias] = layer.lens();
    let x = &inputs[0][images.start * x_len..images.end * x_len];
    let dy = &inputs[3][images.start * y_len..images.end * y_len];
    let (mut dw, mut dbias) = (vec![0.0; w], vec![0.0; bias]);
    layer.accumulate(images.len().into(), x, dy, &mut dw, &mut dbias, &mut GradAccumulator::default());
    vec![dw, dbias]
}

/// Checks that the sum of the gradients of two halves differs from the gradient of the whole.
fn check_order_matters(layer: &impl LayerWithWeights) {
    let inputs = inputs(layer, 36);
    let [mut sum, half, whole] = [0..18, 18..36, 0..36].map(|images| gradients(layer, &inputs, images));
    sum[0].iter_mut().zip(&half[0]).for_each(|(sum, half)| *sum += half);
    assert!(bits(&sum[..1]) != bits(&whole[..1]));
}

/// A test of the tests above: a different order of summation changes bits.
#[test]
fn the_order_of_sums_matters() {
    check_order_matters(&Conv { g: conv_layer(13, 160, 136, [3, 1, 1]), precision: Precision::F32 });
    check_order_matters(&Conv { g: conv_layer(13, 32, 64, [3, 1, 1]), precision: Precision::F32 });
    check_order_matters(&Conv { g: conv_layer(9, 4, 6, [3, 2, 1]), precision: Precision::F32 });
    check_order_matters(&Local { g: conv_layer(5, 4, 6, [3, 1, 1]) });
    check_order_matters(&fc_layer(Precision::F32, 70, 40));
}
