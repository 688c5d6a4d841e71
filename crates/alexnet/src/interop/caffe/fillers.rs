//! Initial weights and learning rates of a layer.

use super::message::Message;
use super::nodes::Node;
use super::origin::short;
use crate::net::{Difference, Init, WeightSpec};

/// The standard deviation of initial weights that a definition does not state.
const ASSUMED_STD: f64 = 0.01;

/// A layer with weights, for its initial ones.
pub(super) struct Weighted<'n, 'm> {
    pub(super) node: &'n Node<'m>,
    /// `convolution_param` or `inner_product_param`.
    pub(super) settings: Option<&'m Message>,
    /// The inputs of an output, and the outputs of an input.
    pub(super) fan_in: usize,
    pub(super) fan_out: usize,
    pub(super) has_biases: bool,
}

/// What recipes lack in initial weights and learning rates: for each such thing, the layers that have it.
#[derive(Default)]
pub(super) struct FillerGaps {
    /// Layers without a filler.
    unstated: Vec<String>,
    /// What is different, why, and the layers.
    others: Vec<(String, String, Vec<String>)>,
}

impl FillerGaps {
    fn add(&mut self, what: impl Into<String>, why: impl Into<String>, node: &Node<'_>) {
        let (what, why) = (what.into(), why.into());
        match self.others.iter_mut().find(|(other, reason, _)| *other == what && *reason == why) {
            Some((_, _, layers)) => layers.push(node.shown()),
            None => self.others.push((what, why, vec![node.shown()])),
        }
    }

    /// Returns a sentence for each.
    pub(super) fn differences(self) -> Vec<Difference> {
        let unstated = (!self.unstated.is_empty()).then(|| Difference {
            what: format!("Assumed: initial weights N(0, {ASSUMED_STD}) in {}", self.unstated.join(", ")),
            why: "The definition has no `weight_filler` for them; it only matters for a new training"
                .to_owned(),
        });
        let others = self.others.into_iter();
        let others = others
            .map(|(what, why, layers)| Difference { what: format!("{what} in {}", layers.join(", ")), why });
        unstated.into_iter().chain(others).collect()
    }
}

impl Weighted<'_, '_> {
    /// Returns the initial weights and the rates of the layer. `decay` is the weight decay of the solver.
    pub(super) fn spec(&self, decay: f64, gaps: &mut FillerGaps) -> WeightSpec {
        let filler = |name| self.settings.and_then(|settings| settings.message(name));
        let (weights, biases) = (filler("weight_filler"), filler("bias_filler"));
        let is_fan_in = [weights, biases].iter().all(|filler| filler.is_some_and(|f| self.is_fan_in(f)));
        let (init, bias) = match is_fan_in {
            true => (Init::FanIn, 0.0),
            false => (self.init(weights, gaps), self.bias(biases, gaps)),
        };
        let rate = |rate: f64, what: &str, gaps: &mut FillerGaps| {
            if !(0.0..=1e6).contains(&rate) {
                let node = self.node;
                gaps.add(
                    format!("Learning rate factor of the {what} 1 instead of {rate}"),
                    "Expected 0 to 1e6",
                    node,
                );
                return 1.0;
            }
            rate as f32
        };
        let [weight_rate, bias_rate] = self.node.multipliers.rates;
        let [weight_decay, bias_decay] = self.node.multipliers.decays;
        let own_decay = weight_decay * decay;
        if bias_decay != 0.0 && decay != 0.0 && self.has_biases {
            gaps.add(
                "No weight decay of biases",
                "Biases do not decay in recipes; here `decay_mult` is not 0",
                self.node,
            );
        }
        let is_own = weight_decay != 1.0 && (0.0..=1e6).contains(&own_decay);
        WeightSpec {
            init,
            bias,
            rate: rate(weight_rate, "weights", gaps),
            bias_rate: if self.has_biases { rate(bias_rate, "biases", gaps) } else { 0.0 },
            decay: is_own.then_some(own_decay as f32),
        }
    }

    fn init(&self, filler: Option<&Message>, gaps: &mut FillerGaps) -> Init {
        let Some(filler) = filler else {
            gaps.unstated.push(self.node.shown());
            return Init::Normal(ASSUMED_STD);
        };
        if filler.int("sparse").is_some_and(|sparse| sparse != -1) {
            gaps.add("Dense initial weights", "Recipes have no sparse ones (`sparse`)", self.node);
        }
        let number = |name: &str, default: f64| filler.float(name).unwrap_or(default);
        let kind = filler.text("type").unwrap_or("constant");
        match kind {
            "gaussian" => {
                self.centered(number("mean", 0.0), gaps);
                self.normal(number("std", 1.0), gaps)
            }
            "msra" => match self.fan(filler) {
                fan if fan == self.fan_in as f64 => Init::He,
                fan => self.normal((2.0 / fan).sqrt(), gaps),
            },
            "xavier" => self.instead_of_uniform((1.0 / self.fan(filler)).sqrt(), gaps),
            "uniform" => {
                let (min, max) = (number("min", 0.0), number("max", 1.0));
                self.centered(f64::midpoint(min, max), gaps);
                self.instead_of_uniform((max - min).abs() / 12f64.sqrt(), gaps)
            }
            "constant" if number("value", 0.0) == 0.0 => Init::Normal(0.0),
            _ => {
                let what = format!("Initial weights N(0, {ASSUMED_STD})");
                gaps.add(what, format!("Recipes have no filler of type `{}`", short(kind)), self.node);
                Init::Normal(ASSUMED_STD)
            }
        }
    }

    fn instead_of_uniform(&self, std: f64, gaps: &mut FillerGaps) -> Init {
        gaps.add(
            "Normal initial weights",
            "With the standard deviation of the uniform ones of the definition, which recipes lack",
            self.node,
        );
        self.normal(std, gaps)
    }

    fn normal(&self, std: f64, gaps: &mut FillerGaps) -> Init {
        match (0.0..=1e3).contains(&std) {
            true => Init::Normal(std),
            false => {
                gaps.add(
                    format!("Initial weights N(0, {ASSUMED_STD})"),
                    format!("The definition has {std}"),
                    self.node,
                );
                Init::Normal(ASSUMED_STD)
            }
        }
    }

    fn centered(&self, mean: f64, gaps: &mut FillerGaps) {
        if mean != 0.0 {
            gaps.add(
                "Initial weights around 0",
                format!("Recipes have no mean of them, here {mean}"),
                self.node,
            );
        }
    }

    fn bias(&self, filler: Option<&Message>, gaps: &mut FillerGaps) -> f32 {
        let Some(filler) = filler else { return 0.0 };
        let kind = filler.text("type").unwrap_or("constant");
        let value = filler.float("value").unwrap_or(0.0);
        if kind == "constant" && (-1e3..=1e3).contains(&value) {
            return value as f32;
        }
        gaps.add(
            "Initial biases 0",
            format!("Recipes have no filler of type `{}` for them", short(kind)),
            self.node,
        );
        0.0
    }

    /// Whether a filler is the uniform one of recipes.
    fn is_fan_in(&self, filler: &Message) -> bool {
        let limit = (1.0 / (self.fan_in as f64).sqrt()) as f32;
        let [min, max] = ["min", "max"].map(|name| filler.float(name).map(|value| value as f32));
        filler.text("type") == Some("uniform") && min == Some(-limit) && max == Some(limit)
    }

    /// The number that `variance_norm` selects.
    fn fan(&self, filler: &Message) -> f64 {
        let (fan_in, fan_out) = (self.fan_in as f64, self.fan_out as f64);
        match filler.choice("variance_norm") {
            Some("FAN_OUT") => fan_out,
            Some("AVERAGE") => f64::midpoint(fan_in, fan_out),
            Some(_) | None => fan_in,
        }
    }
}
