//! Preprocessing in the graph: from the bytes of a crop or square to the input of the first layer.

use super::graph::{Current, Form, GraphWriter, integer, integers};
use super::options::OnnxInput;
use crate::data::{Preprocess, View};
use crate::interop::onnx::proto::data_type;

/// Adds the input of the graph and its preprocessing; returns what the first layer reads. Names that layers have are `taken`.
pub(super) fn add(
    graph: &mut GraphWriter,
    input: OnnxInput,
    preprocess: &Preprocess,
    taken: &dyn Fn(&str) -> bool,
) -> Current {
    let Preprocess { square, crop, .. } = *preprocess;
    let side = match input {
        OnnxInput::Floats => {
            let name = free("images", taken);
            graph.input(&name, data_type::FLOAT, &[3, crop, crop]);
            return Current { name, form: Form::Maps };
        }
        OnnxInput::Crop => crop,
        OnnxInput::Square => square,
    };
    let pixels = free("pixels", taken);
    graph.input(&pixels, data_type::UINT8, &[side, side, 3]);
    let name = |what: &str| format!("{pixels}.{what}");
    let [floats, centered, scaled, images] = ["floats", "centered", "scaled", "images"].map(name);
    let [mean, scale] = ["mean", "scale"].map(name);
    let cropped = if side == crop { pixels.clone() } else { center(graph, &pixels, square, crop) };
    graph.node("Cast", &[&cropped], &[&floats], vec![integer("to", data_type::FLOAT as usize)]);
    let (shape, values) = mean_of_crop(preprocess);
    graph.floats(&mean, &shape, &values);
    graph.node("Sub", &[&floats, &mean], &[&centered], Vec::new());
    graph.floats(&scale, &[3], &factors(preprocess));
    graph.node("Mul", &[&centered, &scale], &[&scaled], Vec::new());
    graph.node("Transpose", &[&scaled], &[&images], vec![integers("perm", &[0, 3, 1, 2])]);
    Current { name: images, form: Form::Maps }
}

/// The name of an input or output of the graph, which no layer has. Those of layers have no dots.
pub(super) fn free(name: &str, taken: &dyn Fn(&str) -> bool) -> String {
    if taken(name) { format!("{name}.graph") } else { name.to_owned() }
}

/// Adds the node that takes the center crop of squares.
fn center(graph: &mut GraphWriter, pixels: &str, square: usize, crop: usize) -> String {
    let View { x, y, .. } = View::center(square, crop);
    let name = |what: &str| format!("{pixels}.{what}");
    let [starts, ends, axes, output] = ["starts", "ends", "axes", "crop"].map(name);
    graph.integers(&starts, &[y as i64, x as i64]);
    graph.integers(&ends, &[(y + crop) as i64, (x + crop) as i64]);
    graph.integers(&axes, &[1, 2]);
    graph.node("Slice", &[pixels, &starts, &ends, &axes], &[&output], Vec::new());
    output
}

/// What is subtracted from a center crop: a color, `[3]`, or a value for each pixel, `[crop, crop, 3]`.
pub(in crate::interop::onnx) fn mean_of_crop(preprocess: &Preprocess) -> (Vec<usize>, Vec<f32>) {
    let Preprocess { square, crop, ref mean, .. } = *preprocess;
    if mean.len() == 3 {
        return (vec![3], mean.clone());
    }
    let View { x, y, .. } = View::center(square, crop);
    let row = |row: usize| &mean[3 * ((y + row) * square + x)..][..3 * crop];
    (vec![crop, crop, 3], (0..crop).flat_map(row).copied().collect())
}

/// What the difference is then multiplied by, as [`Preprocess::view`] does.
pub(in crate::interop::onnx) fn factors(preprocess: &Preprocess) -> [f32; 3] {
    preprocess.deviations.map(|deviation| 1.0 / (preprocess.divisor * deviation))
}
