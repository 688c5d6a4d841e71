//! The layers of a recipe.

use super::chain::{Stage, Wiring};
use super::ini::short;
use super::layers::{Kind, Layer, Window};
use crate::net::{
    Activation, ConvSpec, DropoutScale, LayerSpec, PoolKind, PoolSpec, RoundingSpec, Spec, WeightSpec,
};
use crate::{Error, Result};

/// A layer of a recipe, and the sections that it was made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Made {
    /// The layer.
    pub layer: LayerSpec,
    /// The names of the sections, one for each column. An activation function has those of the layer before it.
    pub sections: Vec<String>,
}

/// The layers of a recipe, being made.
pub(super) struct Layers<'l, 's, 'a> {
    /// The layers of the file.
    file: &'l [Layer<'s, 'a>],
    /// The initial weights and rates of each stage with weights.
    weights: std::vec::IntoIter<WeightSpec>,
    /// Whether the network has columns, whose names differ.
    has_columns: bool,
    made: Vec<Made>,
    /// The number of layers with weights so far.
    depth: usize,
    /// The side of the maps, and their number in each column.
    side: usize,
    channels: usize,
    /// Fully connected layers that became convolutions.
    pub(super) as_conv: Vec<String>,
}

impl<'l, 's, 'a> Layers<'l, 's, 'a> {
    /// Starts with images of `side` pixels. `weights` are those of the stages with weights, in order.
    pub(super) fn new(
        file: &'l [Layer<'s, 'a>],
        side: usize,
        weights: Vec<WeightSpec>,
        has_columns: bool,
    ) -> Self {
        Self {
            file,
            weights: weights.into_iter(),
            has_columns,
            made: Vec::new(),
            depth: 0,
            side,
            channels: 3,
            as_conv: Vec::new(),
        }
    }

    /// Adds all stages but the softmax, which must be the last; returns the layers and the number of classes.
    pub(super) fn finish(mut self, stages: &[Stage]) -> Result<(Vec<Made>, Vec<String>, usize)> {
        let [body @ .., head, softmax] = stages else {
            return Err(self
                .error_at(stages, "a network without layers")
                .help("write a layer of type fc, with one output for each class, before the softmax"));
        };
        for stage in body {
            self.add(stage)?;
        }
        let classes = self.head(head, softmax)?;
        Ok((self.made, self.as_conv, classes))
    }

    fn error_at(&self, stages: &[Stage], message: &str) -> Error {
        let last = stages.last().map_or(0, |stage| stage.parts[0]);
        self.file[last].section.refuse(message)
    }

    /// Adds the last layer, whose outputs are the classes.
    fn head(&mut self, head: &Stage, softmax: &Stage) -> Result<usize> {
        let (first, last) = (&self.file[head.parts[0]], &self.file[softmax.parts[0]]);
        let Kind::Fc { outputs } = first.kind else {
            return Err(last
                .section
                .refuse("its input is not of type fc")
                .help("end with a fc layer and a softmax"));
        };
        if last.kind != Kind::Softmax || head.parts.len() != 1 || first.neuron.is_some() {
            return Err(first
                .section
                .refuse("expected one fc layer without `neuron`, and the softmax after it")
                .help("a recipe ends with one fully connected layer, with one output for each class"));
        }
        self.depth += 1;
        let weights = self.next_weights();
        self.push(head, "fc", Spec::Fc { units: None, weights });
        Ok(outputs)
    }

    fn add(&mut self, stage: &Stage) -> Result<()> {
        let part = &self.file[stage.parts[0]];
        self.depth += usize::from(part.kind.has_weights());
        let columns = stage.parts.len();
        match part.kind {
            Kind::Conv(window) => {
                let spec = self.conv(stage, window)?;
                self.push(stage, "conv", Spec::Conv(spec));
            }
            Kind::Local(window) => {
                let spec = self.conv(stage, window)?;
                self.push(stage, "local", Spec::Local(spec));
            }
            Kind::Fc { outputs } => self.fc(stage, outputs),
            Kind::Pool { kind, size, stride } => {
                let pool = PoolSpec { kernel: size, stride, pad: 0, rounding: rounding(stride) };
                self.side = windows(self.side, size, stride, 0);
                let spec = match kind {
                    PoolKind::Max => Spec::MaxPool(pool),
                    PoolKind::Average => Spec::AvgPool(pool),
                };
                self.push(stage, "pool", spec);
            }
            Kind::CrossMapNorm { size, scale: alpha, pow: beta, min_div: k } => {
                self.push(
                    stage,
                    "norm",
                    Spec::Lrn { size, alpha, beta, k, alpha_over_size: true, groups: columns },
                );
            }
            Kind::MapNorm { size, scale: alpha, pow: beta } => {
                self.push(stage, "norm", Spec::MapNorm { size, alpha, beta });
            }
            Kind::Dropout { keep: Some(keep) } => {
                let rate = (1.0 - keep) as f32;
                self.push(stage, "drop", Spec::Dropout { rate, scale: DropoutScale::Test });
            }
            Kind::Dropout { keep: None } | Kind::Neuron => {}
            Kind::Data | Kind::Softmax | Kind::Cost => {
                return Err(part
                    .section
                    .refuse("expected a layer between the images and the softmax")
                    .help("the softmax and the cost are the last layers"));
            }
        }
        if let Some(neuron) = part.neuron {
            let (prefix, spec) = match neuron {
                Activation::Relu => ("relu", Spec::Relu {}),
                Activation::Tanh => ("tanh", Spec::Tanh {}),
                Activation::Logistic => ("logistic", Spec::Logistic {}),
            };
            self.push(stage, prefix, spec);
        }
        Ok(())
    }

    fn conv(&mut self, stage: &Stage, window: Window) -> Result<ConvSpec> {
        let part = &self.file[stage.parts[0]];
        if window.channels != self.channels {
            let entry = part.section.get("channels", "3")?;
            return Err(entry.refuse(format!("{}, the maps of each input", self.channels)));
        }
        let groups = match stage.wiring {
            Wiring::Separate => window.groups * stage.parts.len(),
            Wiring::Full if window.groups == 1 => 1,
            Wiring::Full => {
                return Err(part.section.get("groups", "1")?.refuse("1 in a layer that connects columns"));
            }
        };
        let maps = window.filters * stage.parts.len();
        self.side = windows(self.side, window.size, window.stride, window.padding);
        self.channels = window.filters;
        Ok(ConvSpec {
            maps,
            kernel: window.size,
            stride: window.stride,
            pad: window.padding,
            groups,
            rounding: rounding(window.stride),
            weights: self.next_weights(),
        })
    }

    /// Adds a fully connected layer. In columns that are not connected it is a convolution that covers the whole map, with
    /// groups.
    fn fc(&mut self, stage: &Stage, outputs: usize) {
        let columns = stage.parts.len();
        let weights = self.next_weights();
        let kernel = self.side;
        (self.side, self.channels) = (1, outputs);
        let maps = outputs * columns;
        match stage.wiring {
            Wiring::Separate if columns > 1 => {
                let conv = ConvSpec {
                    maps,
                    kernel,
                    stride: 1,
                    pad: 0,
                    groups: columns,
                    rounding: RoundingSpec::Down,
                    weights,
                };
                let name = self.push(stage, "fc", Spec::Conv(conv));
                self.as_conv.push(name);
            }
            Wiring::Separate | Wiring::Full => {
                self.push(stage, "fc", Spec::Fc { units: Some(maps), weights });
            }
        }
    }

    fn next_weights(&mut self) -> WeightSpec {
        self.weights.next().expect("every stage with weights has some")
    }

    /// Adds a layer under a name that is still free; returns the name.
    fn push(&mut self, stage: &Stage, prefix: &str, spec: Spec) -> String {
        let sections: Vec<String> =
            stage.parts.iter().map(|&part| short(self.file[part].section.name)).collect();
        let own = &sections[0];
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let numbered = format!("{prefix}{}", self.depth);
        let is_free = |name: &str| self.made.iter().all(|made| made.layer.name != name);
        // Names of columns end in letters; the layers of a network without columns keep theirs.
        let keeps_name = !self.has_columns && spec.weights().is_some() && own.chars().all(is_plain);
        let mut candidates = vec![if keeps_name { own.clone() } else { numbered.clone() }];
        if matches!(spec, Spec::MapNorm { .. }) {
            candidates.push(format!("c{numbered}"));
        }
        candidates.extend((2..).take(2000).map(|n| format!("{numbered}-{n}")));
        let name = candidates.into_iter().find(|name| is_free(name)).expect("fewer layers than names");
        self.made.push(Made { layer: LayerSpec { name: name.clone(), spec }, sections });
        name
    }
}

/// The program rounds the number of windows up. At a stride of 1 there is nothing to round.
fn rounding(stride: usize) -> RoundingSpec {
    if stride == 1 { RoundingSpec::Down } else { RoundingSpec::Up }
}

/// Returns the number of windows along a side. A window that does not fit is refused when the network is built.
fn windows(side: usize, size: usize, stride: usize, pad: usize) -> usize {
    1 + (side + 2 * pad).saturating_sub(size).div_ceil(stride)
}
