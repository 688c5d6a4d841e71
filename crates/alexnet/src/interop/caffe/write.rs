//! Models as Caffe's files.

use std::path::{Path, PathBuf};

use super::encode::{binary, binary_len, text};
use super::export::{Deploy, extra};
use super::files::{CLASSES, MEAN, NET, WEIGHTS};
use super::mean::MeanImage;
use super::message::{Entry, Message, Value};
use super::origin::short;
use super::schema;
use super::weights::flip_channels;
use super::wire::MAX_BYTES;
use crate::engine::Tensor;
use crate::files::atomic;
use crate::format::decimal;
use crate::model::Model;
use crate::net::{Layer, Network, Operation, Precision};
use crate::{Error, Result};

/// The files of a model that was written for Caffe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaffeExport {
    /// The files.
    pub files: Vec<PathBuf>,
    /// What was converted, a sentence each, for the user.
    pub notes: Vec<String>,
}

/// Writes a model as Caffe's files into a folder, which is created if it does not exist: the definition `deploy.prototxt`, the
/// weights `weights.caffemodel`, the mean image `mean.binaryproto`, and the class names `labels.txt`. The same model is always
/// the same bytes.
///
/// # Errors
/// Returns an error if the network has what Caffe lacks, which is then all listed, if the weights are larger than 2 GiB, or if a
/// file cannot be written.
pub fn write(model: &Model, folder: &Path) -> Result<CaffeExport> {
    let Exported { deploy, weights, mean, classes, notes } = Exported::of(model)?;
    std::fs::create_dir_all(folder).map_err(|error| Error::io(folder, "create the folder", &error))?;
    let [net_path, weights_path, mean_path, classes_path] =
        [NET, WEIGHTS, MEAN, CLASSES].map(|name| folder.join(name));
    atomic::replace(&weights_path, |out| binary(&weights, &schema::NET, out))?;
    atomic::replace(&mean_path, |out| binary(&mean, &schema::BLOB, out))?;
    atomic::replace(&classes_path, |out| out.write_all(classes.as_bytes()))?;
    atomic::replace(&net_path, |out| out.write_all(deploy.as_bytes()))?;
    Ok(CaffeExport { files: vec![net_path, weights_path, mean_path, classes_path], notes })
}

/// The contents of the files.
struct Exported {
    deploy: String,
    weights: Message,
    mean: Message,
    classes: String,
    notes: Vec<String>,
}

impl Exported {
    fn of(model: &Model) -> Result<Self> {
        let network = model.network()?;
        let scale = Scale::of(model);
        let Deploy { layers, weighted, mut notes, mut problems, .. } =
            Deploy::of(&network, transform(model, &scale));
        problems.extend(unwritable_name(&model.classes));
        if !problems.is_empty() {
            return Err(refuse(&problems));
        }
        let parameters = parameters(model, &network, &scale)?;
        let net = Message::default().with("name", Value::Text(model.recipe.name.clone()));
        let with_layers = |net: Message, layers: Vec<Message>| {
            layers.into_iter().fold(net, |net, layer| net.with("layer", Value::Message(layer)))
        };
        let deploy = text(&with_layers(net.clone(), layers.clone()));
        let weights = with_layers(net, with_blobs(layers, &weighted, parameters));
        check_size(binary_len(&weights, &schema::NET))?;
        notes.extend(scale.note());
        notes.extend(notes_on(model));
        Ok(Self {
            deploy,
            weights,
            mean: mean(model).encode(),
            classes: model.classes.iter().map(|name| format!("{name}\n")).collect(),
            notes,
        })
    }
}

fn refuse(problems: &[String]) -> Error {
    let what = match problems.len() {
        1 => "the model has a part that Caffe lacks".to_owned(),
        count => format!("the model has {count} parts that Caffe lacks"),
    };
    let error =
        problems.iter().fold(Error::model(what), |error, problem| error.detail(format!("  {problem}")));
    error.help("export it as safetensors, or train a recipe without them; `alexnet recipe list`")
}

/// Names a class that a line cannot hold.
fn unwritable_name(classes: &[String]) -> Option<String> {
    let name = classes.iter().find(|name| name.contains(['\n', '\r']) || name.trim() != *name)?;
    Some(format!("the class name `{}`, which does not fit a line", short(name)))
}

/// Returns an error if protobuf cannot hold a file.
fn check_size(bytes: usize) -> Result<()> {
    match bytes <= MAX_BYTES {
        true => Ok(()),
        false => Err(Error::model(format!(
            "the weights take {bytes} bytes in Caffe's format, and protobuf messages have at most {MAX_BYTES}"
        ))
        .help("export the model as safetensors, which has no such limit")),
    }
}

/// What pixels are multiplied by after the mean is subtracted.
struct Scale {
    /// The common factor, which Caffe's data layers have.
    common: f32,
    /// What red, green and blue are divided by as well, if they differ: a part of the weights.
    deviations: Option<[f32; 3]>,
}

impl Scale {
    fn of(model: &Model) -> Self {
        let [red, green, blue] = model.preprocess.deviations;
        let (divisor, deviations) = match red == green && green == blue {
            true => (model.preprocess.divisor * red, None),
            false => (model.preprocess.divisor, Some([red, green, blue])),
        };
        // Reading the factor gives a divisor, whose factor must be the same: otherwise a second export would differ.
        let factor = |divisor: f32| (1.0 / f64::from(divisor)) as f32;
        let again = |scale: f32| factor((1.0 / f64::from(scale)) as f32);
        let common = (0..8).fold(factor(divisor), |scale, _| again(scale));
        Self { common, deviations }
    }

    fn note(&self) -> Option<String> {
        let [red, green, blue] = self.deviations?;
        Some(format!(
            "The first layer's weights are divided by the deviations of red, green and blue ({red}, {green}, {blue}), which Caffe \
             does not divide by"
        ))
    }
}

/// The settings of the images.
fn transform(model: &Model, scale: &Scale) -> Message {
    let mut message = Message::default();
    if scale.common != 1.0 {
        message.push("scale", Value::Float(decimal(scale.common)));
    }
    message.push("crop_size", Value::Int(model.preprocess.crop as i64));
    message.push("mean_file", Value::Text(MEAN.to_owned()));
    message
}

fn mean(model: &Model) -> MeanImage {
    let (side, mean) = (model.preprocess.square, &model.preprocess.mean);
    let pixels = match mean[..] {
        [red, green, blue] => [red, green, blue].repeat(side * side),
        _ => mean.clone(),
    };
    MeanImage { side, pixels }
}

/// The weights and biases of each layer, in Caffe's layout.
fn parameters(model: &Model, network: &Network, scale: &Scale) -> Result<Vec<[Tensor; 2]>> {
    let layers = network.layers.iter().filter(|layer| layer.weights().is_some());
    let (pairs, _) = model.parameters.as_chunks::<2>();
    let mut out = Vec::new();
    for (i, (pair, layer)) in pairs.iter().zip(layers).enumerate() {
        let mut pair = pair.clone();
        if i == 0 {
            if let Some(deviations) = scale.deviations {
                divide_channels(&mut pair[0], deviations);
            }
            flip_channels(&mut pair[0], layer, network)?;
        }
        widen(&mut pair[0], layer);
        out.push(pair);
    }
    Ok(out)
}

/// Divides the weights of each input channel of the first layer, whose inputs are channels first.
fn divide_channels(weights: &mut Tensor, deviations: [f32; 3]) {
    let row = weights.data.len() / weights.shape[0];
    for row in weights.data.chunks_exact_mut(row) {
        for (channel, deviation) in row.chunks_exact_mut(row.len() / 3).zip(deviations) {
            channel
                .iter_mut()
                .for_each(|weight| *weight = (f64::from(*weight) / f64::from(deviation)) as f32);
        }
    }
}

/// Adds rows and columns of zeros before a kernel whose windows would be partial: see [`Deploy`].
fn widen(weights: &mut Tensor, layer: &Layer) {
    let Operation::Conv(geometry, _) = &layer.operation else { return };
    let (extra, kernel) = (extra(geometry), geometry.window().kernel);
    if extra == 0 {
        return;
    }
    let wide = kernel + extra;
    let mut data = vec![0.0; weights.data.len() / (kernel * kernel) * wide * wide];
    for (from, to) in weights.data.chunks_exact(kernel * kernel).zip(data.chunks_exact_mut(wide * wide)) {
        for (row, to) in from.chunks_exact(kernel).zip(to.chunks_exact_mut(wide).skip(extra)) {
            to[extra..].copy_from_slice(row);
        }
    }
    let [.., height, width] = &mut weights.shape[..] else { unreachable!("kernels have four dimensions") };
    (*height, *width) = (wide, wide);
    weights.data = data;
}

/// Adds the arrays to the layers with weights.
fn with_blobs(mut layers: Vec<Message>, weighted: &[usize], parameters: Vec<[Tensor; 2]>) -> Vec<Message> {
    for (at, pair) in weighted.iter().zip(parameters) {
        let entries = &mut layers[*at].entries;
        let settings =
            entries.iter().position(|entry| entry.name.ends_with("_param")).unwrap_or(entries.len());
        let blobs =
            pair.map(blob).map(|blob| Entry { name: "blobs", value: Value::Message(blob), line: None });
        entries.splice(settings..settings, blobs);
    }
    layers
}

fn blob(tensor: Tensor) -> Message {
    let dims = tensor.shape.iter().map(|dim| *dim as i64).collect();
    let shape = Message::default().with("dim", Value::Ints(dims));
    Message::default().with("data", Value::Floats(tensor.data)).with("shape", Value::Message(shape))
}

/// What the files do not say.
fn notes_on(model: &Model) -> Vec<String> {
    let square = model.preprocess.square;
    let mut notes = vec![
        format!(
            "Images must be resized so that their short side has {square} pixels, and the center square cut out; Caffe's scripts squash \
             them instead. Channels are in the order blue, green, red"
        ),
        "The recipe is not exported: Caffe keeps learning rates in train_val.prototxt and solver.prototxt"
            .to_owned(),
    ];
    if model.recipe.precision == Precision::Bf16 {
        notes.push(
            "Products of bfloat16 values: Caffe computes in single precision, which changes logits slightly"
                .to_owned(),
        );
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_beyond_the_limit_of_protobuf_are_refused() {
        check_size(MAX_BYTES).unwrap();
        let error = check_size(MAX_BYTES + 1).unwrap_err();
        assert!(
            error.message.contains("2147483648 bytes") && error.message.contains("at most 2147483647"),
            "{error}"
        );
        assert!(error.help.is_some_and(|help| help.contains("safetensors")));
    }
}
