//! A batch cut into parts gives the bits of the whole batch: each image's values, and the sums over images.

mod kit;

use alexnet_kernels::activation::Epilogue;
use alexnet_kernels::geometry::{ConvGeometry, FcGeometry, Maps, Rounding, Window};
use alexnet_kernels::memory::Buffer;
use alexnet_kernels::micro_batch::{GRANULE, GradAccumulator, MicroBatch};
use alexnet_kernels::{conv, fc, local, loss};
use kit::{bits, shapes, single, spread};
use proptest::prelude::*;
use std::ops::Range;

/// A layer that learns, as each part of a batch is computed.
trait Learns: Sync {
    /// Values of an image that enter and leave, weights, biases.
    fn lens(&self) -> [usize; 4];
    fn carry(&self, batch: usize) -> GradAccumulator;
    fn forward(&self, part: MicroBatch, x: &[f32], w: &[f32], bias: &[f32], y: &mut [f32]);
    fn backward_input(&self, part: MicroBatch, dy: &[f32], w: &[f32], dx: &mut [f32]);
    fn learn(
        &self,
        part: MicroBatch,
        x: &[f32],
        dy: &[f32],
        dw: &mut [f32],
        dbias: &mut [f32],
        carry: &mut GradAccumulator,
    );
}

struct Conv {
    g: ConvGeometry,
}

impl Learns for Conv {
    fn lens(&self) -> [usize; 4] {
        [self.g.input.len(), self.g.output.len(), self.g.weights(), self.g.output.channels]
    }

    fn carry(&self, batch: usize) -> GradAccumulator {
        carry(conv::accumulator_len(&self.g, batch))
    }

    fn forward(&self, part: MicroBatch, x: &[f32], w: &[f32], bias: &[f32], y: &mut [f32]) {
        conv::forward(&self.g, part, x, w, bias, Epilogue::Relu, y);
    }

    fn backward_input(&self, part: MicroBatch, dy: &[f32], w: &[f32], dx: &mut [f32]) {
        conv::backward_input(&self.g, part, dy, w, dx);
    }

    fn learn(
        &self,
        part: MicroBatch,
        x: &[f32],
        dy: &[f32],
        dw: &mut [f32],
        dbias: &mut [f32],
        carry: &mut GradAccumulator,
    ) {
        conv::accumulate_gradients(&self.g, part, x, dy, dw, dbias, carry);
    }
}

struct Local {
    g: ConvGeometry,
}

impl Learns for Local {
    fn lens(&self) -> [usize; 4] {
        [self.g.input.len(), self.g.output.len(), self.g.local_weights(), self.g.output.len()]
    }

    fn carry(&self, _: usize) -> GradAccumulator {
        GradAccumulator::default()
    }

    fn forward(&self, part: MicroBatch, x: &[f32], w: &[f32], bias: &[f32], y: &mut [f32]) {
        local::forward(&self.g, part.images(), x, w, bias, y);
    }

    fn backward_input(&self, part: MicroBatch, dy: &[f32], w: &[f32], dx: &mut [f32]) {
        local::backward_input(&self.g, part.images(), dy, w, dx);
    }

    fn learn(
        &self,
        part: MicroBatch,
        x: &[f32],
        dy: &[f32],
        dw: &mut [f32],
        dbias: &mut [f32],
        carry: &mut GradAccumulator,
    ) {
        local::accumulate_gradients(&self.g, part, x, dy, dw, dbias, carry);
    }
}

struct Fc {
    g: FcGeometry,
}

impl Learns for Fc {
    fn lens(&self) -> [usize; 4] {
        [self.g.inputs, self.g.outputs, self.g.weights(), self.g.outputs]
    }

    fn carry(&self, _: usize) -> GradAccumulator {
        GradAccumulator::default()
    }

    fn forward(&self, part: MicroBatch, x: &[f32], w: &[f32], bias: &[f32], y: &mut [f32]) {
        fc::forward(&self.g, part, x, w, bias, y);
    }

    fn backward_input(&self, part: MicroBatch, dy: &[f32], w: &[f32], dx: &mut [f32]) {
        fc::backward_input(&self.g, part.images(), dy, w, dx);
    }

    fn learn(
        &self,
        part: MicroBatch,
        x: &[f32],
        dy: &[f32],
        dw: &mut [f32],
        dbias: &mut [f32],
        carry: &mut GradAccumulator,
    ) {
        fc::accumulate_gradients(&self.g, part, x, dy, dw, dbias, carry);
    }
}

fn carry(len: usize) -> GradAccumulator {
    GradAccumulator::new(Buffer::zeros(len).unwrap())
}

/// Inputs, weights, biases and gradients of the outputs, of both signs.
fn inputs(layer: &impl Learns, batch: usize) -> Vec<Vec<f32>> {
    let [x, y, w, bias] = layer.lens();
    single(&[spread(batch * x, 1), spread(w, 2), spread(bias, 3), spread(batch * y, 4)])
}

/// `y`, `dx`, `dw` and `dbias` of a batch that comes in these parts.
fn in_parts(layer: &impl Learns, batch: usize, inputs: &[Vec<f32>], parts: &[MicroBatch]) -> Vec<Vec<f32>> {
    let [x_len, y_len, ..] = layer.lens();
    let [x, w, bias, dy] = inputs else { unreachable!() };
    let [mut y, mut dx, mut dw, mut dbias] = [dy, x, w, bias].map(|like| vec![f32::NAN; like.len()]);
    let mut carry = layer.carry(batch);
    for &part in parts {
        let of = |len: usize| -> Range<usize> { part.range().start * len..part.range().end * len };
        let (x, dy) = (&x[of(x_len)], &dy[of(y_len)]);
        layer.forward(part, x, w, bias, &mut y[of(y_len)]);
        layer.backward_input(part, dy, w, &mut dx[of(x_len)]);
        layer.learn(part, x, dy, &mut dw, &mut dbias, &mut carry);
    }
    vec![y, dx, dw, dbias]
}

/// Cuts a batch where `cuts` say: any numbers, made to fit.
fn parts(batch: usize, cuts: &[usize]) -> Vec<MicroBatch> {
    let mut at: Vec<usize> = cuts.iter().map(|cut| cut * GRANULE % batch / GRANULE * GRANULE).collect();
    at.extend([0, batch]);
    at.sort_unstable();
    at.dedup();
    at.windows(2).map(|ends| MicroBatch::new(ends[0]..ends[1], batch)).collect()
}

fn check(layer: &impl Learns, batch: usize, cuts: &[usize]) {
    let (inputs, parts) = (inputs(layer, batch), parts(batch, cuts));
    let whole = bits(&in_parts(layer, batch, &inputs, &[batch.into()]));
    for threads in [1, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let cut = bits(&pool.install(|| in_parts(layer, batch, &inputs, &parts)));
        for (i, (cut, whole)) in cut.iter().zip(&whole).enumerate() {
            assert!(cut == whole, "output {i}: bits depend on the parts {parts:?}, {threads} threads");
        }
    }
}

/// Where a batch is cut.
fn cuts() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(1..100_usize, 1..5)
}

proptest! {
    #![proptest_config(shapes::draw(64))]

    #[test]
    fn convolutions(g in shapes::conv(), batch in 10..60_usize, cuts in cuts()) {
        check(&Conv { g }, batch, &cuts);
    }

    #[test]
    fn short_convolutions((g, batch) in shapes::short_conv(), more in 0..40_usize, cuts in cuts()) {
        check(&Conv { g }, batch + more, &cuts);
    }

    #[test]
    fn folded_convolutions((g, batch) in shapes::folding_conv(), more in 9..30_usize, cuts in cuts()) {
        check(&Conv { g }, batch + more, &cuts);
    }

    #[test]
    fn locally_connected(g in shapes::conv(), batch in 10..60_usize, cuts in cuts()) {
        prop_assume!(g.local_weights() < 100_000);
        check(&Local { g }, batch, &cuts);
    }

    #[test]
    fn fully_connected(inputs in 1..500_usize, outputs in 1..80_usize, batch in 1..60_usize, cuts in cuts()) {
        check(&fc_layer(inputs, outputs), batch, &cuts);
    }

    #[test]
    fn losses(classes in 2..20_usize, batch in 1..60_usize, cuts in cuts()) {
        let logits: Vec<f32> = single(&[spread(batch * classes, 1)]).remove(0);
        let labels: Vec<u32> = (0..batch).map(|i| (i * 7 % classes) as u32).collect();
        let (mut whole, mut cut) = (vec![0.0; logits.len()], vec![0.0; logits.len()]);
        let loss = loss::softmax_loss(&logits, &labels, batch, classes, &mut whole);
        let mut sum = 0.0;
        for part in parts(batch, &cuts) {
            let images = part.range();
            let of = images.start * classes..images.end * classes;
            let (logits, dlogits) = (&logits[of.clone()], &mut cut[of]);
            loss::accumulate_softmax_loss(logits, &labels[images], part, classes, dlogits, &mut sum);
        }
        prop_assert_eq!((sum / batch as f64).to_bits(), loss.to_bits());
        prop_assert_eq!(bits(&[cut]), bits(&[whole]));
    }
}

fn conv_layer(side: usize, inputs: usize, outputs: usize, [kernel, stride, pad]: [usize; 3]) -> ConvGeometry {
    let window = Window { kernel, stride, pad, rounding: Rounding::Up };
    ConvGeometry::new(Maps::new(side, side, inputs), outputs, window, 1).unwrap()
}

fn fc_layer(inputs: usize, outputs: usize) -> Fc {
    Fc { g: FcGeometry::new(inputs, outputs).unwrap() }
}

/// Sums so large that there is one for the whole batch, and so small that there is one for each portion; longer sums
/// than a block of depth; a last part of one image.
#[test]
fn large_shapes() {
    check(&Conv { g: conv_layer(13, 160, 136, [3, 1, 1]) }, 28, &[1]);
    check(&Conv { g: conv_layer(13, 32, 64, [3, 1, 1]) }, 170, &[3, 4, 11]);
    check(&Conv { g: conv_layer(32, 3, 32, [5, 1, 2]) }, 37, &[1, 3]);
    check(&Local { g: conv_layer(5, 4, 6, [3, 1, 1]) }, 500, &[7, 33, 51]);
    check(&fc_layer(700, 40), 500, &[1, 33, 51]);
    check(&fc_layer(40, 700), 2500, &[5, 99]);
}

/// An image whose values overflow spoils the short algorithms' outputs for its neighbors: they are found otherwise,
/// and are the same however the batch is cut.
#[test]
fn values_that_are_not_finite() {
    let layer = Conv { g: conv_layer(13, 32, 32, [3, 1, 1]) };
    let mut inputs = inputs(&layer, 40);
    inputs[0][20 * layer.g.input.len() + 5] = f32::INFINITY;
    inputs[3][30 * layer.g.output.len() + 5] = f32::MAX;
    let whole = in_parts(&layer, 40, &inputs, &[40.into()]);
    let cut = in_parts(&layer, 40, &inputs, &parts(40, &[1, 3]));
    assert!(whole[0].iter().any(|y| y.is_infinite()) && whole[1].iter().any(|dx| dx.abs() > 1e37));
    assert!(bits(&cut[..2]) == bits(&whole[..2]));
}

/// The gradients of some images as a batch of their own.
fn gradients(layer: &impl Learns, inputs: &[Vec<f32>], images: Range<usize>) -> Vec<Vec<f32>> {
    let [x_len, y_len, w, bias] = layer.lens();
    let x = &inputs[0][images.start * x_len..images.end * x_len];
    let dy = &inputs[3][images.start * y_len..images.end * y_len];
    let (mut dw, mut dbias) = (vec![0.0; w], vec![0.0; bias]);
    layer.learn(images.len().into(), x, dy, &mut dw, &mut dbias, &mut GradAccumulator::default());
    vec![dw, dbias]
}

/// The sum of the gradients of two halves has other bits than the gradient of the whole.
fn check_order_shows(layer: &impl Learns) {
    let inputs = inputs(layer, 36);
    let [mut sum, half, whole] = [0..18, 18..36, 0..36].map(|images| gradients(layer, &inputs, images));
    sum[0].iter_mut().zip(&half[0]).for_each(|(sum, half)| *sum += half);
    assert!(bits(&sum[..1]) != bits(&whole[..1]));
}

/// A test of the tests above.
#[test]
fn the_order_of_sums_shows() {
    check_order_shows(&Conv { g: conv_layer(13, 160, 136, [3, 1, 1]) });
    check_order_shows(&Conv { g: conv_layer(13, 32, 64, [3, 1, 1]) });
    check_order_shows(&Conv { g: conv_layer(9, 4, 6, [3, 2, 1]) });
    check_order_shows(&Local { g: conv_layer(5, 4, 6, [3, 1, 1]) });
    check_order_shows(&fc_layer(70, 40));
}
