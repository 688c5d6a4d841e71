//! The whole file.

use std::path::Path;

use prost::Message;

use super::graph::{Current, GraphWriter, integer};
use super::layers;
use super::options::{OnnxExport, OnnxInput};
use super::pixels::{self, free};
use super::quantized;
use crate::data::Preprocess;
use crate::engine::Tensor;
use crate::files::atomic;
use crate::interop::onnx::metadata::Declaration;
use crate::interop::onnx::proto::{GraphProto, ModelProto, OperatorSetIdProto};
use crate::model::AnyModel;
use crate::net::{Network, Precision};
use crate::{Error, Result};

/// The largest message of protocol buffers, in bytes.
const LARGEST: usize = i32::MAX as usize;

/// Writes a model to an ONNX file, the same bytes for the same model and options. Returns what is assumed, changed or left out, a
/// sentence each.
///
/// Weights and biases have the names and values of the model file. The metadata has the recipe, the class names and the preprocessing.
/// An 8-bit model becomes a graph in 32-bit floats whose tensors are rounded to 8 bits where the model has bytes, which runtimes
/// compute in integers.
///
/// # Errors
/// Returns an error if the operator set is unknown, if the layers of the model do not fit each other, if the scales of 8-bit weights
/// of Winograd's algorithms are too far apart to compute a kernel, if the file would be larger than protocol buffers can be, or if it
/// cannot be written.
pub fn write(model: &AnyModel, options: &OnnxExport, path: &Path) -> Result<Vec<String>> {
    let (file, notes) = convert(model, options)?;
    check_size(file.encoded_len()).map_err(|error| error.context(path.display()))?;
    let bytes = file.encode_to_vec();
    drop(file);
    atomic::replace(path, |out| out.write_all(&bytes))?;
    Ok(notes)
}

/// The content of the file, and what is to be said about it.
pub(super) fn convert(model: &AnyModel, options: &OnnxExport) -> Result<(ModelProto, Vec<String>)> {
    options.check()?;
    let mut notes = vec!["golden samples and the record of the training are left out".to_owned()];
    notes.push(input_note(options.input, model.preprocess()));
    if model.recipe().precision == Precision::Bf16 {
        notes.push("the model's products of bfloat16 values become products of 32-bit floats".to_owned());
    }
    let graph = graph(model, options, &mut notes)?;
    let file = ModelProto {
        ir_version: options.ir_version(),
        producer_name: "alexnet".to_owned(),
        producer_version: env!("CARGO_PKG_VERSION").to_owned(),
        graph: Some(graph),
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: i64::from(options.opset) }],
        metadata_props: Declaration::write(model.recipe(), model.classes(), model.preprocess()),
        functions: Vec::new(),
    };
    Ok((file, notes))
}

fn graph(model: &AnyModel, options: &OnnxExport, notes: &mut Vec<String>) -> Result<GraphProto> {
    let network = match model {
        AnyModel::F32(model) => &model.network()?,
        AnyModel::Int8(model) => &model.network.network,
    };
    let taken = |name: &str| network.layers.iter().any(|layer| layer.name == name);
    let mut graph = GraphWriter::new(&model.recipe().name, model.recipe().summary.clone());
    let images = pixels::add(&mut graph, options.input, model.preprocess(), &taken);
    let logits = match model {
        AnyModel::F32(model) => floats(&mut graph, network, &model.parameters, images),
        AnyModel::Int8(model) => quantized::add(&mut graph, &model.network, images, notes)?,
    };
    let output = match options.softmax {
        false => logits.name,
        true => {
            let output = free("probabilities", &taken);
            graph.node("Softmax", &[&logits.name], &[&output], vec![integer("axis", 1)]);
            output
        }
    };
    graph.output(&output, &[network.classes]);
    Ok(graph.finish())
}

/// Adds all layers of a network in f32 to a graph whose input is `current`; returns the logits.
fn floats(
    graph: &mut GraphWriter,
    network: &Network,
    parameters: &[Tensor],
    mut current: Current,
) -> Current {
    let mut tensors = parameters.iter();
    for layer in &network.layers {
        let own = layer.weights().and_then(|_| tensors.next().zip(tensors.next()));
        let names =
            own.map(|(weights, biases)| layers::add_parameters(graph, layer, &weights.data, &biases.data));
        let next = layers::add(graph, layer, names.as_ref(), &current, &layer.name);
        if next != current {
            graph.shape(&next, layer.output);
        }
        current = next;
    }
    current
}

/// What is to be fed to the graph.
fn input_note(input: OnnxInput, preprocess: &Preprocess) -> String {
    let Preprocess { square, crop, divisor, deviations, mean, .. } = preprocess;
    let mean = match mean.as_slice() {
        [red, green, blue] => format!("the color [{red}, {green}, {blue}]"),
        _ => "the center of the mean image (metadata `alexnet.mean_image`)".to_owned(),
    };
    match input {
        OnnxInput::Floats => format!(
            "the input is the center {crop} x {crop} of a square of {square} pixels, RGB from 0 to 255 minus {mean}, divided by \
             {divisor} and by {deviations:?}, as floats [N, 3, {crop}, {crop}]"
        ),
        OnnxInput::Crop => format!(
            "the input is the center {crop} x {crop} of a square of {square} pixels, RGB, as bytes [N, {crop}, {crop}, 3]"
        ),
        OnnxInput::Square => format!("the input is a square, RGB, as bytes [N, {square}, {square}, 3]"),
    }
}

/// Refuses what protocol buffers cannot hold.
pub(super) fn check_size(bytes: usize) -> Result<()> {
    if bytes <= LARGEST {
        return Ok(());
    }
    Err(Error::model(format!(
        "the ONNX file would have {bytes} bytes, but it is a protocol buffer, which has at most {LARGEST} (2 GiB)"
    ))
    .help("8-bit weights need a quarter: `alexnet quantize MODEL --calibrate SRC OUT`, then export OUT; or export .safetensors"))
}
