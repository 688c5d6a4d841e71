//! Response normalizations.

use alexnet_kernels::geometry::{Maps, NormGeometry, Normalization, Reach};

use super::graph::{GraphWriter, float, integer, integers};
use crate::interop::onnx::proto::AttributeProto;

/// Adds the nodes of a normalization across maps of each group.
pub(super) fn across_maps(graph: &mut GraphWriter, layer: &str, g: &NormGeometry, x: &str, output: &str) {
    // Windows of an even size reach further back here, and further ahead in ONNX, which onnxruntime refuses.
    match (g.constants().size % 2, g.groups()) {
        (0, _) => spelled_out(graph, layer, g, x, output),
        (_, 1) => lrn(graph, g, x, output),
        (_, groups) => {
            let names =
                |what: &str| (0..groups).map(|group| format!("{layer}.{what}{group}")).collect::<Vec<_>>();
            let (parts, results, sizes) = (names("part"), names("column"), format!("{layer}.sizes"));
            graph.integers(&sizes, &vec![(g.maps().channels / groups) as i64; groups]);
            let axis = || vec![integer("axis", 1)];
            graph.node("Split", &[x, &sizes], &refs(&parts), axis());
            for (part, result) in parts.iter().zip(&results) {
                lrn(graph, g, part, result);
            }
            graph.node("Concat", &refs(&results), &[output], axis());
        }
    }
}

fn refs(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}

/// ONNX divides alpha by the size of the window.
fn lrn(graph: &mut GraphWriter, g: &NormGeometry, x: &str, output: &str) {
    let Normalization { size, alpha, beta, k } = g.constants();
    let attributes = vec![
        integer("size", size),
        float("alpha", alpha * size as f64),
        float("beta", beta),
        float("bias", k),
    ];
    graph.node("LRN", &[x], &[output], attributes);
}

/// A normalization across maps as single operations: the mean of squares over a window of channels, as PyTorch computes it.
fn spelled_out(graph: &mut GraphWriter, layer: &str, g: &NormGeometry, x: &str, output: &str) {
    let names = |what: &str| format!("{layer}.{what}");
    let [squares, columns, means, back] = ["squares", "columns", "means", "back"].map(names);
    let [columns_shape, back_shape] = ["columns_shape", "back_shape"].map(names);
    let Maps { height, width, channels } = g.maps();
    let Reach { before, after } = g.constants().reach();
    let size = |size: usize| size as i64;
    graph.node("Mul", &[x, x], &[&squares], Vec::new());
    graph.integers(&columns_shape, &[0, size(g.groups()), size(channels / g.groups()), size(height * width)]);
    graph.node("Reshape", &[&squares, &columns_shape], &[&columns], Vec::new());
    let window = [g.constants().size, 1];
    graph.node("AveragePool", &[&columns], &[&means], mean_over(&window, &[before, 0, after, 0]));
    graph.integers(&back_shape, &[0, size(channels), size(height), size(width)]);
    graph.node("Reshape", &[&means, &back_shape], &[&back], Vec::new());
    quotient(graph, layer, &g.constants(), g.constants().size, [x, &back], output);
}

/// Adds the nodes of a normalization within maps.
pub(super) fn within_maps(graph: &mut GraphWriter, layer: &str, g: &NormGeometry, x: &str, output: &str) {
    let [squares, means] = ["squares", "means"].map(|what| format!("{layer}.{what}"));
    let Normalization { size, .. } = g.constants();
    let Reach { before, after } = g.constants().reach();
    graph.node("Mul", &[x, x], &[&squares], Vec::new());
    let attributes = mean_over(&[size, size], &[before, before, after, after]);
    graph.node("AveragePool", &[&squares], &[&means], attributes);
    quotient(graph, layer, &g.constants(), size * size, [x, &means], output);
}

/// The mean over a window that is as large at the edges, where it has zeros.
fn mean_over(kernel: &[usize; 2], pads: &[usize; 4]) -> Vec<AttributeProto> {
    vec![
        integers("kernel_shape", kernel),
        integers("strides", &[1, 1]),
        integers("pads", pads),
        integer("count_include_pad", 1),
    ]
}

/// `x / (k + alpha area means)^beta`.
fn quotient(
    graph: &mut GraphWriter,
    layer: &str,
    constants: &Normalization,
    area: usize,
    [x, means]: [&str; 2],
    output: &str,
) {
    let names = |what: &str| format!("{layer}.{what}");
    let [alpha, k, beta] = ["alpha", "k", "beta"].map(names);
    let [scaled, sums, divisors] = ["scaled", "sums", "divisors"].map(names);
    graph.scalar(&alpha, (constants.alpha * area as f64) as f32);
    graph.node("Mul", &[means, &alpha], &[&scaled], Vec::new());
    graph.scalar(&k, constants.k as f32);
    graph.node("Add", &[&scaled, &k], &[&sums], Vec::new());
    graph.scalar(&beta, constants.beta as f32);
    graph.node("Pow", &[&sums, &beta], &[&divisors], Vec::new());
    graph.node("Div", &[x, &divisors], &[output], Vec::new());
}
