//! The layers of a network definition, in any of its versions, and when they are part of the network.

use super::message::Message;
use super::origin::{Origin, short};
use crate::{Error, Result};

/// The most layers of a definition. Recipes have up to 1,000, and definitions up to twice as many.
const MAX_LAYERS: usize = 4000;

/// A layer of a definition.
pub(super) struct Node<'m> {
    pub(super) name: &'m str,
    /// The type, as in the current version of the format: `Convolution`.
    pub(super) kind: &'m str,
    pub(super) bottoms: Vec<&'m str>,
    pub(super) tops: Vec<&'m str>,
    pub(super) line: Option<usize>,
    pub(super) phases: Phases,
    pub(super) multipliers: Multipliers,
    /// The names under which its blobs are shared with other layers.
    pub(super) shared: Vec<&'m str>,
    /// The settings.
    pub(super) message: &'m Message,
}

/// The phases in which a layer is part of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Phases {
    pub(super) train: bool,
    pub(super) test: bool,
}

impl Phases {
    pub(super) fn has(self, phase: Phase) -> bool {
        match phase {
            Phase::Train => self.train,
            Phase::Test => self.test,
        }
    }
}

/// What a network is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Train,
    Test,
}

/// The factors of the learning rate and the weight decay: of the weights, and of the biases.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Multipliers {
    pub(super) rates: [f64; 2],
    pub(super) decays: [f64; 2],
}

impl Node<'_> {
    /// Creates an error about the layer.
    pub(super) fn refuse(&self, origin: &Origin, message: impl std::fmt::Display) -> Error {
        origin.refuse(self.line, format!("layer {}: {message}", self.shown()))
    }

    /// The name, for messages.
    pub(super) fn shown(&self) -> String {
        short(self.name)
    }
}

/// Returns the layers of a network definition.
///
/// # Errors
/// Returns an error if there are none, if both versions of the format occur, or if the version is that of before 2014.
pub(super) fn nodes<'m>(net: &'m Message, origin: &Origin) -> Result<Vec<Node<'m>>> {
    let current: Vec<Node<'m>> = net.messages("layer").map(node).collect();
    let earlier: Vec<Node<'m>> = net.messages("layers").map(earlier_node).collect();
    if let Some(oldest) = net.messages("layers").find(|layer| layer.message("layer").is_some()) {
        return Err(origin
            .refuse(oldest.line, "`layers { layer { ... } }`, the format of 2013, which is not supported")
            .help("convert the file with Caffe's `upgrade_net_proto_text` or `upgrade_net_proto_binary`"));
    }
    if let (Some(first), Some(_)) = (earlier.first(), current.first()) {
        return Err(origin
            .refuse(first.line, "`layers` as well as `layer`, expected one of the two versions of the format")
            .help("write `layer` with types such as \"Convolution\" everywhere"));
    }
    let count = current.len() + earlier.len();
    if count > MAX_LAYERS {
        return Err(origin
            .refuse(None, format!("{count} layers, expected at most {MAX_LAYERS}"))
            .help("specify a network of the kind of AlexNet"));
    }
    match count == 0 {
        true => Err(origin
            .refuse(None, "no layers, expected a network definition of Caffe")
            .help("specify a deploy.prototxt, a train_val.prototxt or a .caffemodel file")),
        false => Ok(if current.is_empty() { earlier } else { current }),
    }
}

fn node(message: &Message) -> Node<'_> {
    let params: Vec<&Message> = message.messages("param").collect();
    let factor = |name: &str| {
        [0, 1].map(|i| params.get(i).and_then(|param: &&Message| param.float(name)).unwrap_or(1.0))
    };
    Node {
        name: message.text("name").unwrap_or_default(),
        kind: message.text("type").unwrap_or_default(),
        bottoms: message.texts("bottom"),
        tops: message.texts("top"),
        line: message.line,
        phases: phases(message),
        multipliers: Multipliers { rates: factor("lr_mult"), decays: factor("decay_mult") },
        shared: params
            .iter()
            .filter_map(|param| param.text("name"))
            .filter(|name| !name.is_empty())
            .collect(),
        message,
    }
}

fn earlier_node(message: &Message) -> Node<'_> {
    let factor = |name| {
        let values = message.floats(name);
        [0, 1].map(|i| values.get(i).copied().unwrap_or(1.0))
    };
    Node {
        name: message.text("name").unwrap_or_default(),
        kind: current_type(message.choice("type").unwrap_or_default()),
        bottoms: message.texts("bottom"),
        tops: message.texts("top"),
        line: message.line,
        phases: phases(message),
        multipliers: Multipliers { rates: factor("blobs_lr"), decays: factor("weight_decay") },
        shared: message.texts("param").into_iter().filter(|name| !name.is_empty()).collect(),
        message,
    }
}

/// The current name of a type of the format before 2015.
fn current_type(name: &'static str) -> &'static str {
    match name {
        "ABSVAL" => "AbsVal",
        "ACCURACY" => "Accuracy",
        "ARGMAX" => "ArgMax",
        "CONCAT" => "Concat",
        "CONTRASTIVE_LOSS" => "ContrastiveLoss",
        "CONVOLUTION" => "Convolution",
        "DATA" => "Data",
        "DECONVOLUTION" => "Deconvolution",
        "DROPOUT" => "Dropout",
        "DUMMY_DATA" => "DummyData",
        "ELTWISE" => "Eltwise",
        "EUCLIDEAN_LOSS" => "EuclideanLoss",
        "EXP" => "Exp",
        "FLATTEN" => "Flatten",
        "HDF5_DATA" => "HDF5Data",
        "HDF5_OUTPUT" => "HDF5Output",
        "HINGE_LOSS" => "HingeLoss",
        "IM2COL" => "Im2col",
        "IMAGE_DATA" => "ImageData",
        "INFOGAIN_LOSS" => "InfogainLoss",
        "INNER_PRODUCT" => "InnerProduct",
        "MEMORY_DATA" => "MemoryData",
        "MULTINOMIAL_LOGISTIC_LOSS" => "MultinomialLogisticLoss",
        "NONE" => "",
        "POOLING" => "Pooling",
        "POWER" => "Power",
        "RELU" => "ReLU",
        "SIGMOID" => "Sigmoid",
        "SIGMOID_CROSS_ENTROPY_LOSS" => "SigmoidCrossEntropyLoss",
        "SILENCE" => "Silence",
        "SLICE" => "Slice",
        "SOFTMAX" => "Softmax",
        "SOFTMAX_LOSS" => "SoftmaxWithLoss",
        "SPLIT" => "Split",
        "TANH" => "TanH",
        "THRESHOLD" => "Threshold",
        "WINDOW_DATA" => "WindowData",
        // BNLL, LRN and MVN have kept their names.
        other => other,
    }
}

/// Returns when a layer is part of the network: always without rules, else if a rule of `include`, or none of `exclude`, is
/// met.
fn phases(message: &Message) -> Phases {
    let rules = |name| message.messages(name).collect::<Vec<&Message>>();
    let (include, exclude) = (rules("include"), rules("exclude"));
    let has = |phase: Phase| {
        let meets = |rule: &&Message| meets(rule, phase);
        match include.is_empty() {
            true => !exclude.iter().any(meets),
            false => include.iter().any(meets),
        }
    };
    Phases { train: has(Phase::Train), test: has(Phase::Test) }
}

/// Whether a rule is met in a network of level 0 without stages.
fn meets(rule: &Message, phase: Phase) -> bool {
    let is_phase = match rule.choice("phase") {
        Some("TRAIN") => phase == Phase::Train,
        Some("TEST") => phase == Phase::Test,
        Some(_) | None => true,
    };
    let is_level = rule.int("min_level").is_none_or(|level| level <= 0)
        && rule.int("max_level").is_none_or(|level| level >= 0);
    is_phase && is_level && rule.find("stage").is_none()
}
