//! The layers of a recipe.

use alexnet_kernels::geometry::{Maps, Rounding, Window};

use super::chain::Stage;
use super::fillers::{FillerGaps, Weighted};
use super::nodes::Node;
use super::operation::{ConvOperation, InnerProductOperation, Operation, PoolOperation};
use super::origin::{Origin, short};
use crate::net::{
    Activation, ConvSpec, Difference, DropoutScale, LayerSpec, PoolKind, PoolSpec, RoundingSpec, Spec,
    WeightSpec,
};
use crate::{Error, Result};

/// A layer with weights: where they are in a file of weights, and how they are stored there.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Source {
    /// The name of the layer in Caffe.
    pub(super) caffe: String,
    /// The name of the layer in the recipe.
    pub(super) name: String,
    pub(super) has_biases: bool,
    /// Whether the weights of an `InnerProduct` are stored as `[inputs, outputs]`.
    pub(super) is_transposed: bool,
    /// The line of the definition, if it is a text.
    pub(super) line: Option<usize>,
}

/// The layers of a recipe, being made.
pub(super) struct Body<'n, 'm> {
    nodes: &'n [Node<'m>],
    operations: &'n [Operation],
    origin: &'n Origin,
    /// The weight decay of the solver.
    decay: f64,
    pub(super) layers: Vec<LayerSpec>,
    pub(super) sources: Vec<Source>,
    /// The number of outputs of the last layer.
    pub(super) classes: usize,
    /// The factor of the pixels before the first layer.
    pub(super) scale: f64,
    pub(super) fillers: FillerGaps,
    /// Layers whose names recipes cannot have: in Caffe, and here.
    renamed: Vec<(String, String)>,
    /// The shape of the last layer's output.
    maps: Maps,
}

impl<'n, 'm> Body<'n, 'm> {
    /// Starts with images of `crop` x `crop` pixels.
    pub(super) fn new(
        nodes: &'n [Node<'m>],
        operations: &'n [Operation],
        origin: &'n Origin,
        crop: usize,
        decay: f64,
    ) -> Self {
        Self {
            nodes,
            operations,
            origin,
            decay,
            layers: Vec::new(),
            sources: Vec::new(),
            classes: 0,
            scale: 1.0,
            fillers: FillerGaps::default(),
            renamed: Vec::new(),
            maps: Maps::new(crop, crop, 3),
        }
    }

    /// Adds all layers, of which the last one must be an `InnerProduct`.
    pub(super) fn add_all(&mut self, stages: &[Stage]) -> Result<()> {
        let Some((last, body)) = stages.split_last() else {
            return Err(self.origin.refuse(None, "no layers between the input and the softmax"));
        };
        for stage in body {
            self.add(stage)?;
        }
        let help =
            "a recipe ends with an InnerProduct layer, with one output for each class; the softmax follows";
        let node = self.node(last);
        let Stage::Layer(at) = last else {
            return Err(node.refuse(self.origin, "the last layer, expected InnerProduct").help(help));
        };
        let Operation::InnerProduct(operation) = &self.operations[*at] else {
            let message = format!("the last layer has the type {}, expected InnerProduct", short(node.kind));
            return Err(node.refuse(self.origin, message).help(help));
        };
        self.classes = operation.outputs;
        let weights = self.inner_product(*at, operation);
        self.push(node, Spec::Fc { units: None, weights });
        Ok(())
    }

    /// The layer whose name a stage has.
    fn node(&self, stage: &Stage) -> &'n Node<'m> {
        match stage {
            Stage::Layer(at) | Stage::Columns { concat: at, .. } => &self.nodes[*at],
        }
    }

    fn add(&mut self, stage: &Stage) -> Result<()> {
        let node = self.node(stage);
        let (at, groups) = match stage {
            Stage::Layer(at) => (*at, 1),
            Stage::Columns { slice, parts, .. } => {
                self.check_equal_parts(&self.nodes[*slice], parts.len())?;
                (parts[0], parts.len())
            }
        };
        match &self.operations[at] {
            Operation::Conv(operation) => self.conv(at, operation)?,
            Operation::InnerProduct(operation) => {
                let units = Some(operation.outputs);
                let weights = self.inner_product(at, operation);
                self.push(node, Spec::Fc { units, weights });
            }
            Operation::Pool(operation) => self.pool(node, operation)?,
            Operation::Lrn { size, alpha, beta, k } => {
                let (size, alpha, beta, k) = (*size, *alpha, *beta, *k);
                self.push(node, Spec::Lrn { size, alpha, beta, k, alpha_over_size: true, groups });
            }
            Operation::MapNorm { size, alpha, beta } => {
                self.push(node, Spec::MapNorm { size: *size, alpha: *alpha, beta: *beta });
            }
            Operation::Activation(activation) => {
                let spec = match activation {
                    Activation::Relu => Spec::Relu {},
                    Activation::Tanh => Spec::Tanh {},
                    Activation::Logistic => Spec::Logistic {},
                };
                self.push(node, spec);
            }
            Operation::Dropout { ratio } => {
                self.push(node, Spec::Dropout { rate: *ratio as f32, scale: DropoutScale::Train });
            }
            Operation::Factor { factor } => self.factor(node, *factor)?,
            Operation::Source | Operation::Sink | Operation::Alias | Operation::Slice | Operation::Concat => {
                return Err(node
                    .refuse(self.origin, format!("type {} between two layers", short(node.kind)))
                    .help("remove the layer"));
            }
        }
        Ok(())
    }

    /// Columns of channels are groups if they are equal.
    fn check_equal_parts(&self, slice: &Node<'_>, parts: usize) -> Result<()> {
        let channels = self.maps.channels;
        let points =
            slice.message.message("slice_param").map_or(Vec::new(), |param| param.ints("slice_point"));
        let width = channels / parts;
        let equal: Vec<i64> = (1..parts).map(|part| (part * width) as i64).collect();
        match channels.is_multiple_of(parts) && (points.is_empty() || points == equal) {
            true => Ok(()),
            false => Err(slice
                .refuse(self.origin, format!("{channels} channels in {parts} parts, expected equal ones"))
                .help("write a Slice layer with equal parts")),
        }
    }

    fn conv(&mut self, at: usize, operation: &ConvOperation) -> Result<()> {
        let ConvOperation { outputs, kernel, stride, pad, groups, has_biases } = *operation;
        let node = &self.nodes[at];
        let channels = self.maps.channels;
        if !channels.is_multiple_of(groups) || !outputs.is_multiple_of(groups) {
            let message = format!("`group` {groups} must divide {channels} inputs and {outputs} outputs");
            return Err(node.refuse(self.origin, message).help("correct `group` or `num_output`"));
        }
        let area = kernel * kernel;
        let weights = self.weights(Weighted {
            node,
            settings: node.message.message("convolution_param"),
            fan_in: area * channels / groups,
            fan_out: area * outputs,
            has_biases,
        });
        let side = self.windows(node, Window { kernel, stride, pad, rounding: Rounding::Down })?;
        self.maps = Maps::new(side, side, outputs);
        let rounding = RoundingSpec::Down;
        let name = self.push(
            node,
            Spec::Conv(ConvSpec { maps: outputs, kernel, stride, pad, groups, rounding, weights }),
        );
        self.source(node, name, has_biases, false);
        Ok(())
    }

    fn inner_product(&mut self, at: usize, operation: &InnerProductOperation) -> WeightSpec {
        let node = &self.nodes[at];
        let InnerProductOperation { outputs, has_biases, is_transposed } = *operation;
        let fan_in = self.maps.len();
        let settings = node.message.message("inner_product_param");
        let weights = self.weights(Weighted { node, settings, fan_in, fan_out: outputs, has_biases });
        self.maps = Maps::new(1, 1, outputs);
        let name = self.free_name(node);
        self.source(node, name, has_biases, is_transposed);
        weights
    }

    fn weights(&mut self, weighted: Weighted<'_, '_>) -> WeightSpec {
        weighted.spec(self.decay, &mut self.fillers)
    }

    fn source(&mut self, node: &Node<'_>, name: String, has_biases: bool, is_transposed: bool) {
        let caffe = node.name.to_owned();
        self.sources.push(Source { caffe, name, has_biases, is_transposed, line: node.line });
    }

    fn pool(&mut self, node: &Node<'_>, operation: &PoolOperation) -> Result<()> {
        let PoolOperation { kind, kernel, stride, rounds_up } = *operation;
        let kernel = kernel.unwrap_or(self.maps.height);
        // At a stride of 1 there is nothing to round.
        let (rounding, spec_rounding) = match rounds_up && stride > 1 {
            true => (Rounding::Up, RoundingSpec::Up),
            false => (Rounding::Down, RoundingSpec::Down),
        };
        let side = self.windows(node, Window { kernel, stride, pad: 0, rounding })?;
        self.maps = Maps::new(side, side, self.maps.channels);
        let pool = PoolSpec { kernel, stride, pad: 0, rounding: spec_rounding };
        let spec = match kind {
            PoolKind::Max => Spec::MaxPool(pool),
            PoolKind::Average => Spec::AvgPool(pool),
        };
        self.push(node, spec);
        Ok(())
    }

    /// A factor is a part of the input's scale, or of dropout that rescales in inference.
    fn factor(&mut self, node: &Node<'_>, factor: f64) -> Result<()> {
        match self.layers.last_mut() {
            None if (1e-6..=1e6).contains(&(self.scale * factor)) => {
                self.scale *= factor;
                Ok(())
            }
            Some(LayerSpec { spec: Spec::Dropout { rate, scale }, .. }) if 1.0 - *rate == factor as f32 => {
                *scale = DropoutScale::Test;
                Ok(())
            }
            Some(_) | None => Err(node
                .refuse(self.origin, format!("`scale` {factor}, which has no counterpart in recipes"))
                .help(
                    "recipes have a factor of the pixels (Power as the first layer), and 1 - dropout_ratio after Dropout: \
                     multiply the weights and biases of the layer before by it instead",
                )),
        }
    }

    fn windows(&self, node: &Node<'_>, window: Window) -> Result<usize> {
        window.positions(self.maps.height).map_err(|error| -> Error {
            node.refuse(self.origin, format!("input {}: {error}", self.maps))
                .help("correct the size of the input, or the kernel, stride and padding of the layers before")
        })
    }

    /// Adds a layer; returns its name.
    fn push(&mut self, node: &Node<'_>, spec: Spec) -> String {
        let name = self.free_name(node);
        if name != node.name {
            self.renamed.push((node.shown(), name.clone()));
        }
        self.layers.push(LayerSpec { name: name.clone(), spec });
        name
    }

    /// Names the layers that have other names than in Caffe.
    pub(super) fn renamed(&self) -> Option<Difference> {
        let pairs: Vec<String> =
            self.renamed.iter().map(|(caffe, name)| format!("{name} is {caffe}")).collect();
        (!pairs.is_empty()).then(|| Difference {
            what: format!("Other names of layers: {}", pairs.join(", ")),
            why: "Names in recipes are unique, of up to 64 letters, digits, `-` and `_`".to_owned(),
        })
    }

    /// Returns a name that recipes can have and no layer has yet.
    fn free_name(&self, node: &Node<'_>) -> String {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let plain: String = node.name.chars().take(50).map(|c| if is_plain(c) { c } else { '-' }).collect();
        let plain = if plain.is_empty() { "layer".to_owned() } else { plain };
        let is_free = |name: &String| self.layers.iter().all(|layer| layer.name != *name);
        let mut candidates = std::iter::once(plain.clone()).chain((2..).map(|n| format!("{plain}-{n}")));
        candidates.find(is_free).expect("there are more numbers than layers")
    }
}
