//! The layers between the input and the output of a graph.

use alexnet_kernels::geometry::Maps;

use super::problem::Supported;
use super::signal::{FoundLayer, Origin, SignalId, Step};
use super::state::State;
use crate::net::{ConvSpec, Spec};

/// The layers of a graph, first to last. The last one is fully connected.
#[derive(Debug)]
pub(super) struct Chain {
    pub(super) layers: Vec<FoundLayer>,
    /// The input of the first layer.
    pub(super) input: Maps,
    /// The number of outputs.
    pub(super) outputs: usize,
    /// Whether the graph ends in a softmax.
    pub(super) has_softmax: bool,
}

impl State<'_> {
    /// The layers that `output` was computed by. What is no layer is reported; `None` if anything was.
    pub(super) fn chain(&mut self, output: SignalId) -> Option<Chain> {
        let mut layers = Vec::new();
        let mut at = output;
        let mut has_softmax = false;
        let input = loop {
            let signal = &self.signals[at];
            at = match &signal.origin {
                Origin::Images => break signal.maps,
                Origin::Layer(layer, from) => {
                    layers.push((layer.clone(), self.signals[*from].maps, signal.place.clone()));
                    *from
                }
                Origin::View(of) => *of,
                Origin::Probabilities(of) if layers.is_empty() => {
                    has_softmax = true;
                    *of
                }
                Origin::Pixels(_) => {
                    let place = signal.place.clone();
                    self.report(
                        &place,
                        "images as bytes go into a layer; expected a Transpose to channels first before it",
                    );
                    return None;
                }
                other => {
                    let (what, of) = unmatched(other);
                    let place = signal.place.clone();
                    self.report(&place, what);
                    of
                }
            };
        };
        layers.reverse();
        if !self.problems.is_empty() {
            return None;
        }
        self.finished(layers, input, has_softmax)
    }

    fn finished(
        &mut self,
        layers: Vec<(FoundLayer, Maps, String)>,
        input: Maps,
        has_softmax: bool,
    ) -> Option<Chain> {
        let place = layers.last().map_or_else(|| "the graph".to_owned(), |(.., place)| place.clone());
        let mut layers: Vec<(FoundLayer, Maps)> =
            layers.into_iter().map(|(layer, maps, _)| (layer, maps)).collect();
        match layers.pop().map(|(last, maps)| fully_connected(last, maps)) {
            Some(Ok((last, outputs))) => {
                let mut layers: Vec<FoundLayer> = layers.into_iter().map(|(layer, _)| layer).collect();
                layers.push(last);
                Some(Chain { layers, input, outputs, has_softmax })
            }
            Some(Err(what)) => {
                self.report(&place, what);
                None
            }
            None => {
                self.report(&place, "it has no layers");
                None
            }
        }
    }
}

/// The last layer of a network with one output for each class, and their number. A convolution whose kernels cover the whole map
/// is fully connected.
fn fully_connected(last: FoundLayer, input: Maps) -> Supported<(FoundLayer, usize)> {
    let FoundLayer { spec, parameters } = last;
    let (outputs, weights) = match spec {
        Spec::Fc { units: Some(units), weights } => (units, weights),
        Spec::Conv(ConvSpec { maps, kernel, pad: 0, groups: 1, weights, .. })
            if (kernel, kernel) == (input.height, input.width) =>
        {
            (maps, weights)
        }
        Spec::Fc { .. }
        | Spec::Conv(_)
        | Spec::Local(_)
        | Spec::MaxPool(_)
        | Spec::AvgPool(_)
        | Spec::Lrn { .. }
        | Spec::MapNorm { .. }
        | Spec::Relu {}
        | Spec::Tanh {}
        | Spec::Logistic {}
        | Spec::Dropout { .. } => {
            return Err(
                "it is the last layer, expected a fully connected layer with one output for each class"
                    .into(),
            );
        }
    };
    Ok((FoundLayer { spec: Spec::Fc { units: None, weights }, parameters }, outputs))
}

/// Why something is no layer, and what it was computed from.
fn unmatched(origin: &Origin) -> (&'static str, SignalId) {
    match origin {
        Origin::Part { of, .. } => {
            ("a part of the channels is used, and the others are not joined to it", *of)
        }
        Origin::Padded { of, .. } => ("padding that is not followed by a convolution or pooling", *of),
        Origin::Probabilities(of) => ("a softmax that is not at the end", *of),
        Origin::Step(Step::Square(of)) => ("squares that are not part of a response normalization", *of),
        Origin::Step(Step::Means { of, .. }) => (
            "an average over windows that count their padding, which is not part of a response normalization",
            *of,
        ),
        Origin::Step(Step::Linear { of, .. }) => {
            ("a factor or an offset after something that is no convolution or fully connected layer", *of)
        }
        Origin::Step(Step::Power { of, .. }) => ("a power that is not part of a response normalization", *of),
        Origin::Step(Step::Transposed { of, .. }) => ("axes in another order are not supported", *of),
        Origin::Step(Step::Product { of, .. }) => {
            ("a constant times a tensor that depends on the images", *of)
        }
        Origin::Step(Step::Shifted { of, .. }) => {
            ("an offset that is not part of a locally connected layer", *of)
        }
        Origin::Pixels(_) | Origin::Images => ("not a layer", 0),
        Origin::Layer(_, of) | Origin::View(of) => ("not a layer", *of),
    }
}
