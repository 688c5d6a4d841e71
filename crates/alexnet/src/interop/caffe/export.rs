//! A network as a definition of Caffe.

use std::collections::HashSet;

use alexnet_kernels::geometry::{ConvGeometry, NormGeometry, PoolGeometry, Rounding, Window};

use super::message::{Message, Value};
use crate::format::decimal;
use crate::net::{Activation, DropoutScale, Layer, Network, Operation, PoolKind};

/// The name of the blob of images, and of the layer that makes it.
const IMAGES: &str = "data";
/// The name of the layer of probabilities.
const PROBABILITIES: &str = "prob";

/// The layers of a definition, being made.
pub(super) struct Deploy {
    pub(super) layers: Vec<Message>,
    /// The positions among them of the layers with weights, in order.
    pub(super) weighted: Vec<usize>,
    /// What was converted, a sentence each.
    pub(super) notes: Vec<String>,
    /// What Caffe lacks: for each layer, why.
    pub(super) problems: Vec<String>,
    /// The blob that the next layer reads.
    blob: String,
    images: String,
    names: HashSet<String>,
}

impl Deploy {
    /// Makes the layers of a network. `image` are the settings of the images, `transform_param`.
    pub(super) fn of(network: &Network, image: Message) -> Self {
        let names: HashSet<String> = network.layers.iter().map(|layer| layer.name.clone()).collect();
        let images = free_name(IMAGES, &names);
        let mut deploy = Self {
            layers: Vec::new(),
            weighted: Vec::new(),
            notes: Vec::new(),
            problems: Vec::new(),
            blob: images.clone(),
            images: images.clone(),
            names,
        };
        deploy.names.insert(images.clone());
        let dims = [1, network.input.channels, network.input.height, network.input.width];
        let shape = Message::default().with("dim", Value::Ints(dims.map(|dim| dim as i64).to_vec()));
        deploy.layers.push(
            layer(&images, "Input", &[], &[&images])
                .with("transform_param", Value::Message(image))
                .with("input_param", Value::Message(Message::default().with("shape", Value::Message(shape)))),
        );
        network.layers.iter().for_each(|layer| deploy.add(layer));
        let probabilities = free_name(PROBABILITIES, &deploy.names);
        deploy.push(&probabilities, "Softmax", None);
        deploy
    }

    fn add(&mut self, layer: &Layer) {
        let name = layer.name.as_str();
        match &layer.operation {
            Operation::Conv(geometry, _) => self.conv(name, geometry),
            Operation::Fc(geometry, _) => {
                let settings = Message::default().with("num_output", int(geometry.outputs()));
                self.weighted.push(self.layers.len());
                self.push(name, "InnerProduct", Some(("inner_product_param", settings)));
            }
            Operation::Local(..) => {
                self.problems
                    .push(format!("layer {name}: locally connected layers, which Caffe does not have"));
            }
            Operation::Pool(kind, geometry) => self.pool(name, *kind, geometry),
            Operation::Lrn(geometry) => self.lrn(name, geometry),
            Operation::MapNorm(geometry) => self.map_norm(name, geometry),
            Operation::Activation(activation) => {
                let kind = match activation {
                    Activation::Relu => "ReLU",
                    Activation::Tanh => "TanH",
                    Activation::Logistic => "Sigmoid",
                };
                self.push_in_place(name, kind, None);
            }
            Operation::Dropout { rate, scale } => self.dropout(name, *rate, *scale),
        }
    }

    /// A convolution. Caffe rounds the number of windows down: where this program rounds up to a partial window, a larger kernel
    /// and padding make all windows whole. The kernel has zeros in its first rows and columns, so that the values are the same.
    fn conv(&mut self, name: &str, geometry: &ConvGeometry) {
        let extra = extra(geometry);
        let Window { kernel, stride, pad, .. } = geometry.window();
        if extra > 0 {
            self.notes.push(format!(
                "Layer {name} rounds the number of windows up, Caffe down: its kernel of {kernel} pixels has {extra} rows and columns of \
                 zeros before it, and its padding is {} instead of {pad}; the function is the same",
                pad + extra
            ));
        }
        let mut settings = Message::default().with("num_output", int(geometry.output().channels));
        let values = [
            ("pad", pad + extra, 0),
            ("kernel_size", kernel + extra, 0),
            ("group", geometry.groups(), 1),
            ("stride", stride, 1),
        ];
        for (field, value, default) in values {
            if value != default {
                settings.push(field, int(value));
            }
        }
        self.weighted.push(self.layers.len());
        self.push(name, "Convolution", Some(("convolution_param", settings)));
    }

    fn pool(&mut self, name: &str, kind: PoolKind, geometry: &PoolGeometry) {
        let Window { kernel, stride, pad, rounding } = geometry.window();
        if pad > 0 && kind == PoolKind::Average {
            self.problems
                .push(format!("layer {name}: average pooling with padding, which Caffe counts in averages"));
        }
        let kind = match kind {
            PoolKind::Max => "MAX",
            PoolKind::Average => "AVE",
        };
        let mut settings = Message::default()
            .with("pool", Value::Enum(kind))
            .with("kernel_size", int(kernel))
            .with("stride", int(stride));
        if pad > 0 {
            settings.push("pad", int(pad));
        }
        let is_partial = !(geometry.input().height + 2 * pad - kernel).is_multiple_of(stride);
        match rounding {
            Rounding::Down if is_partial => {
                self.notes.push(format!(
                    "Layer {name} rounds the number of windows down: `round_mode: FLOOR`, which Caffe has since 2018"
                ));
                settings.push("round_mode", Value::Enum("FLOOR"));
            }
            Rounding::Down | Rounding::Up => {}
        }
        self.push(name, "Pooling", Some(("pooling_param", settings)));
    }

    /// A normalization across channels: with groups, one for each part of the channels.
    fn lrn(&mut self, name: &str, geometry: &NormGeometry) {
        let Some(settings) = self.norm_settings(name, geometry, geometry.constants().size) else { return };
        let k = geometry.constants().k;
        if k != 1.0 {
            self.notes.push(format!(
                "Layer {name} has `k` {k}. Caffe applies it; OpenCV's reader of Caffe's files ignores it"
            ));
        }
        let settings = settings.with("k", float(k));
        let groups = geometry.groups();
        if groups == 1 {
            return self.push(name, "LRN", Some(("lrn_param", settings)));
        }
        self.notes.push(format!(
            "Layer {name} normalizes {groups} groups of channels separately: Slice, an LRN layer for each of them, and Concat"
        ));
        let parts: Vec<[String; 2]> = (1..=groups)
            .map(|part| ["in", "out"].map(|what| self.take_name(&format!("{name}_{what}{part}"))))
            .collect();
        let slice = self.take_name(&format!("{name}_slice"));
        let inputs: Vec<&str> = parts.iter().map(|[input, _]| input.as_str()).collect();
        let outputs: Vec<&str> = parts.iter().map(|[_, output]| output.as_str()).collect();
        let axis = || Message::default().with("axis", int(1));
        let sliced =
            layer(&slice, "Slice", &[&self.blob], &inputs).with("slice_param", Value::Message(axis()));
        let norms = parts.iter().map(|[input, output]| {
            layer(output, "LRN", &[input], &[output]).with("lrn_param", Value::Message(settings.clone()))
        });
        let joined = layer(name, "Concat", &outputs, &[name]).with("concat_param", Value::Message(axis()));
        self.layers.extend(std::iter::once(sliced).chain(norms).chain([joined]));
        name.clone_into(&mut self.blob);
    }

    fn map_norm(&mut self, name: &str, geometry: &NormGeometry) {
        let size = geometry.constants().size;
        let Some(mut settings) = self.norm_settings(name, geometry, size * size) else { return };
        settings.push("norm_region", Value::Enum("WITHIN_CHANNEL"));
        self.push(name, "LRN", Some(("lrn_param", settings)));
    }

    /// The settings of a normalization over `count` values; `None` if Caffe does not have it. Caffe divides alpha by `count`.
    fn norm_settings(&mut self, name: &str, geometry: &NormGeometry, count: usize) -> Option<Message> {
        let constants = geometry.constants();
        if constants.size.is_multiple_of(2) {
            self.problems.push(format!(
                "layer {name}: a normalization over {} channels or pixels, and Caffe's are over odd numbers",
                constants.size
            ));
            return None;
        }
        let alpha = constants.alpha * count as f64;
        Some(
            Message::default()
                .with("local_size", int(constants.size))
                .with("alpha", float(alpha))
                .with("beta", float(constants.beta)),
        )
    }

    /// Dropout. Caffe rescales in training; a factor after it does what rescaling in inference does.
    fn dropout(&mut self, name: &str, rate: f32, scale: DropoutScale) {
        let settings = Message::default().with("dropout_ratio", Value::Float(decimal(rate)));
        self.push_in_place(name, "Dropout", Some(("dropout_param", settings)));
        match scale {
            DropoutScale::Train => {}
            DropoutScale::Test => {
                let factor = 1.0 - rate;
                self.notes.push(format!(
                    "Layer {name} rescales in inference: a Power layer multiplies by {factor}"
                ));
                let settings = Message::default().with("scale", Value::Float(decimal(factor)));
                let name = self.take_name(&format!("{name}_scale"));
                self.push_in_place(&name, "Power", Some(("power_param", settings)));
            }
        }
    }

    /// Adds a layer whose output is a blob of its own.
    fn push(&mut self, name: &str, kind: &str, settings: Option<(&'static str, Message)>) {
        let made = layer(name, kind, &[&self.blob], &[name]);
        name.clone_into(&mut self.blob);
        self.layers.push(with_settings(made, settings));
    }

    /// Adds a layer that writes to the blob that it reads, apart from that of the images.
    fn push_in_place(&mut self, name: &str, kind: &str, settings: Option<(&'static str, Message)>) {
        if self.blob == self.images {
            return self.push(name, kind, settings);
        }
        let made = layer(name, kind, &[&self.blob], &[&self.blob]);
        self.layers.push(with_settings(made, settings));
    }

    /// Returns a name that no layer has, and takes it.
    fn take_name(&mut self, wanted: &str) -> String {
        let name = free_name(wanted, &self.names);
        self.names.insert(name.clone());
        name
    }
}

/// How many pixels a kernel and its padding grow so that no window is partial.
pub(super) fn extra(geometry: &ConvGeometry) -> usize {
    let Window { kernel, stride, pad, rounding } = geometry.window();
    let span = geometry.input().height + 2 * pad - kernel;
    match rounding {
        Rounding::Down => 0,
        Rounding::Up => span.next_multiple_of(stride) - span,
    }
}

fn layer(name: &str, kind: &str, bottoms: &[&str], tops: &[&str]) -> Message {
    let text = |text: &str| Value::Text(text.to_owned());
    let mut message = Message::default().with("name", text(name)).with("type", text(kind));
    bottoms.iter().for_each(|bottom| message.push("bottom", text(bottom)));
    tops.iter().for_each(|top| message.push("top", text(top)));
    message
}

fn with_settings(layer: Message, settings: Option<(&'static str, Message)>) -> Message {
    match settings {
        Some((field, settings)) => layer.with(field, Value::Message(settings)),
        None => layer,
    }
}

fn free_name(wanted: &str, names: &HashSet<String>) -> String {
    let mut candidates = std::iter::once(wanted.to_owned()).chain((2..).map(|n| format!("{wanted}{n}")));
    candidates.find(|name| !names.contains(name)).expect("there are more numbers than layers")
}

fn int(value: usize) -> Value {
    Value::Int(value as i64)
}

/// A number, rounded to the single precision of the format.
fn float(value: f64) -> Value {
    Value::Float(decimal(value as f32))
}
