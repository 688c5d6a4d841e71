//! Locally connected layers, which ONNX lacks: the pixels under each window as a column, and a product of matrices at each position.

use alexnet_kernels::geometry::ConvGeometry;

use super::graph::{GraphWriter, integer, integers};
use super::parameters::{Parameters, window};

/// The shapes of weights and biases: those of the model file, with fewer dimensions.
pub(super) fn shapes(g: &ConvGeometry) -> [Vec<usize>; 2] {
    let (positions, outputs) = (g.output().pixels(), g.group_outputs());
    [vec![positions, g.groups(), outputs, g.depth()], vec![positions, g.groups(), outputs, 1]]
}

/// Adds the nodes of a locally connected layer.
pub(super) fn add(
    graph: &mut GraphWriter,
    layer: &str,
    g: &ConvGeometry,
    parameters: &Parameters,
    x: &str,
    output: &str,
) {
    let names = |what: &str| format!("{layer}.{what}");
    let [taps, pixels, columns, matrices] = ["taps", "pixels", "columns", "matrices"].map(names);
    let [products, sums, positions] = ["products", "sums", "positions"].map(names);
    let [columns_shape, shape] = ["columns_shape", "shape"].map(names);
    let size = |size: usize| size as i64;
    let area = g.window().kernel * g.window().kernel;
    // A map for each pixel of the window: channel 0's first, as the weights have them.
    graph.floats(
        &taps,
        &[g.input().channels * area, 1, g.window().kernel, g.window().kernel],
        &one_hot(g.input().channels, g.window().kernel),
    );
    let mut attributes = window(&g.window(), g.input(), g.output());
    attributes.push(integer("group", g.input().channels));
    graph.node("Conv", &[x, &taps], &[&pixels], attributes);
    // [N, groups, depth, positions] to [positions, groups, depth, N].
    graph.integers(&columns_shape, &[0, size(g.groups()), size(g.depth()), size(g.output().pixels())]);
    graph.node("Reshape", &[&pixels, &columns_shape], &[&columns], Vec::new());
    let order = || vec![integers("perm", &[3, 1, 2, 0])];
    graph.node("Transpose", &[&columns], &[&matrices], order());
    graph.node("MatMul", &[&parameters.weights, &matrices], &[&products], Vec::new());
    graph.node("Add", &[&products, &parameters.biases], &[&sums], Vec::new());
    graph.node("Transpose", &[&sums], &[&positions], order());
    let maps = g.output();
    graph.integers(&shape, &[0, size(maps.channels), size(maps.height), size(maps.width)]);
    graph.node("Reshape", &[&positions, &shape], &[output], Vec::new());
}

/// `[channels * area, 1, kernel, kernel]`, where each kernel selects one pixel.
pub(in crate::interop::onnx) fn one_hot(channels: usize, kernel: usize) -> Vec<f32> {
    let area = kernel * kernel;
    (0..channels * area * area).map(|i| if i / area % area == i % area { 1.0 } else { 0.0 }).collect()
}
