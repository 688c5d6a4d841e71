//! Sections as layers.

use std::ops::RangeInclusive;

use super::ini::{Document, Entry, Section, short};
use crate::net::{Activation, PoolKind};
use crate::{Error, Result};

/// Sides and strides, in pixels.
const SIDE: RangeInclusive<usize> = 1..=4096;
/// Maps and units.
const WIDTH: RangeInclusive<usize> = 1..=1 << 20;
/// GPUs of a machine.
const GPUS: RangeInclusive<usize> = 0..=63;

/// A layer of the file: one column's part of a layer of the network.
pub(super) struct Layer<'s, 'a> {
    pub(super) section: &'s Section<'a>,
    /// Its section in the file of parameters.
    pub(super) parameters: Option<&'s Section<'a>>,
    /// The names of its inputs.
    pub(super) inputs: Vec<&'a str>,
    pub(super) gpu: Option<usize>,
    pub(super) kind: Kind,
    /// The activation function of its outputs.
    pub(super) neuron: Option<Activation>,
}

/// The kind of a layer, and its settings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    Data,
    Conv(Window),
    Local(Window),
    Fc {
        outputs: usize,
    },
    Pool {
        kind: PoolKind,
        size: usize,
        stride: usize,
    },
    /// `cmrnorm`.
    CrossMapNorm {
        size: usize,
        scale: f64,
        pow: f64,
        min_div: f64,
    },
    /// `rnorm`.
    MapNorm {
        size: usize,
        scale: f64,
        pow: f64,
    },
    /// `hs`: the probability of keeping a unit. `None` if it is disabled.
    Dropout {
        keep: Option<f64>,
    },
    /// `neuron`: an activation function as a layer of its own.
    Neuron,
    Softmax,
    Cost,
}

/// The settings of a convolution, or of a locally connected layer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Window {
    pub(super) filters: usize,
    pub(super) channels: usize,
    pub(super) size: usize,
    pub(super) stride: usize,
    pub(super) padding: usize,
    pub(super) groups: usize,
}

impl Kind {
    /// Returns whether the layer has weights.
    pub(super) fn has_weights(&self) -> bool {
        match self {
            Self::Conv(_) | Self::Local(_) | Self::Fc { .. } => true,
            Self::Data
            | Self::Pool { .. }
            | Self::CrossMapNorm { .. }
            | Self::MapNorm { .. }
            | Self::Dropout { .. }
            | Self::Neuron
            | Self::Softmax
            | Self::Cost => false,
        }
    }
}

/// Types of the program that recipes lack.
const WITHOUT_COUNTERPART: [&str; 20] = [
    "blur",
    "cnorm",
    "concat",
    "cost.crossent",
    "cost.crossent2",
    "cost.gsum2",
    "cost.msm",
    "cost.rflickr",
    "cost.sum2",
    "cost.tica",
    "eltmax",
    "eltsum",
    "href",
    "nailbed",
    "resize",
    "rgb2lab",
    "rgb2yuv",
    "rscale",
    "sumpool",
    "treefc",
];

/// Types that recipes have.
const TYPES: [&str; 11] =
    ["data", "conv", "local", "fc", "pool", "cmrnorm", "rnorm", "hs", "neuron", "softmax", "cost.logreg"];

/// Reads the layers of a network.
pub(super) fn layers<'s, 'a>(
    file: &'s Document<'a>,
    parameters: &'s Document<'a>,
) -> Result<Vec<Layer<'s, 'a>>> {
    file.sections.iter().map(|section| layer(section, parameters)).collect()
}

fn layer<'s, 'a>(section: &'s Section<'a>, parameters: &'s Document<'a>) -> Result<Layer<'s, 'a>> {
    let found = parameters.find(section.name);
    let kind = section.get("type", "conv")?;
    let inputs = match kind.text {
        "data" => Vec::new(),
        _ => inputs(section)?,
    };
    let settings = Settings { section, parameters: found, inputs: inputs.len() };
    let kind = settings.kind(&kind)?;
    if kind.has_weights() && found.is_none() {
        return Err(Error::usage(format!(
            "{}: section [{}] is missing",
            parameters.origin,
            short(section.name)
        ))
        .help(format!("write `[{}]` with `epsW`, `epsB`, `momW`, `momB` and `wc`", short(section.name))));
    }
    Ok(Layer {
        section,
        parameters: found,
        inputs,
        gpu: section.find("gpu").map(|entry| entry.integer(1, GPUS)).transpose()?,
        kind,
        neuron: section.find("neuron").map_or(Ok(None), |entry| neuron(&entry))?,
    })
}

fn inputs<'a>(section: &Section<'a>) -> Result<Vec<&'a str>> {
    let entry = section.get("inputs", "conv1")?;
    let inputs = entry.items()?;
    if inputs.contains(&"") {
        return Err(entry.refuse("names of layers, separated by commas"));
    }
    match (1..inputs.len()).any(|i| inputs[..i].contains(&inputs[i])) {
        true => {
            Err(entry.refuse("every input once; a layer that uses one twice has no counterpart in recipes"))
        }
        false => Ok(inputs),
    }
}

/// The settings of a layer, from both files.
struct Settings<'s, 'a> {
    section: &'s Section<'a>,
    parameters: Option<&'s Section<'a>>,
    inputs: usize,
}

impl<'s, 'a> Settings<'s, 'a> {
    fn kind(&self, kind: &Entry<'_, '_>) -> Result<Kind> {
        Ok(match kind.text {
            "data" => Kind::Data,
            "conv" => Kind::Conv(self.window()?),
            "local" => Kind::Local(self.window()?),
            "fc" => Kind::Fc { outputs: self.section.get("outputs", "10")?.integer(1, WIDTH)? },
            "pool" => self.pool()?,
            "cmrnorm" => {
                self.expect_off("blocked")?;
                Kind::CrossMapNorm {
                    size: self.norm_size()?,
                    scale: self.scale()?,
                    pow: self.pow()?,
                    min_div: self.min_div()?,
                }
            }
            "rnorm" => {
                if self.min_div()? != 1.0 {
                    return Err(self.get("minDiv", "1")?.refuse("1, as in recipes; remove it, or write 1"));
                }
                Kind::MapNorm { size: self.norm_size()?, scale: self.scale()?, pow: self.pow()? }
            }
            "hs" => {
                let keep = self.get("keep", "0.5")?;
                let probability = keep.number(1, 0.0..=1.0)?;
                if probability == 0.0 {
                    return Err(keep.refuse("a probability above 0"));
                }
                let enabled = self.find("enable").map_or(Ok(true), |entry| entry.flag(1))?;
                Kind::Dropout { keep: enabled.then_some(probability) }
            }
            "neuron" => Kind::Neuron,
            "softmax" => Kind::Softmax,
            "cost.logreg" => Kind::Cost,
            other if WITHOUT_COUNTERPART.contains(&other) => {
                return Err(kind.refuse(format!(
                    "one of {}; the others of the program have no counterpart in recipes",
                    TYPES.join(", ")
                )));
            }
            _ => return Err(kind.refuse(format!("one of {}", TYPES.join(", ")))),
        })
    }

    /// Returns the value of a key: of the file of parameters, or else of that of layers, where early versions have it.
    fn find(&self, key: &str) -> Option<Entry<'s, 'a>> {
        self.parameters.and_then(|section| section.find(key)).or_else(|| self.section.find(key))
    }

    fn get(&self, key: &str, example: &str) -> Result<Entry<'s, 'a>> {
        match self.find(key) {
            Some(entry) => Ok(entry),
            None => self.parameters.unwrap_or(self.section).get(key, example),
        }
    }

    fn window(&self) -> Result<Window> {
        let or = |key: &str, default: usize, range: RangeInclusive<usize>| {
            self.section.find(key).map_or(Ok(default), |entry| entry.integer(self.inputs, range))
        };
        self.expect_off("randSparse")?;
        Ok(Window {
            filters: self.section.get("filters", "64")?.integer(self.inputs, WIDTH)?,
            channels: self.section.get("channels", "3")?.integer(self.inputs, WIDTH)?,
            size: self.section.get("filterSize", "5")?.integer(self.inputs, SIDE)?,
            stride: or("stride", 1, SIDE)?,
            padding: self.padding()?,
            groups: or("groups", 1, WIDTH)?,
        })
    }

    /// Returns the padding, which some versions write as a negative offset.
    fn padding(&self) -> Result<usize> {
        let Some(entry) = self.section.find("padding") else { return Ok(0) };
        let text = entry.shared(self.inputs)?;
        let value =
            text.strip_prefix('-').unwrap_or(text).parse().ok().filter(|value| (0..=4096).contains(value));
        value.ok_or_else(|| entry.refuse("an integer from 0 to 4096"))
    }

    fn pool(&self) -> Result<Kind> {
        for key in ["start", "outputsX"] {
            if let Some(entry) = self.section.find(key)
                && entry.integer(1, 0..=4096)? != 0
            {
                return Err(entry.refuse("0; other values have no counterpart in recipes"));
            }
        }
        let kind = self.section.get("pool", "max")?;
        Ok(Kind::Pool {
            kind: match kind.text {
                "max" => PoolKind::Max,
                "avg" => PoolKind::Average,
                _ => return Err(kind.refuse("max or avg")),
            },
            size: self.section.get("sizeX", "3")?.integer(1, SIDE)?,
            stride: self.section.get("stride", "2")?.integer(1, SIDE)?,
        })
    }

    /// Returns the size of a normalization, which early versions call `sizeX`.
    fn norm_size(&self) -> Result<usize> {
        match self.section.find("sizeX") {
            Some(entry) => entry.integer(1, SIDE),
            None => self.section.get("size", "5")?.integer(1, SIDE),
        }
    }

    fn scale(&self) -> Result<f64> {
        self.get("scale", "0.0001")?.number(1, 0.0..=1e6)
    }

    fn pow(&self) -> Result<f64> {
        self.get("pow", "0.75")?.number(1, 0.0..=100.0)
    }

    fn min_div(&self) -> Result<f64> {
        self.find("minDiv").map_or(Ok(1.0), |entry| entry.number(1, 1e-9..=1e6))
    }

    fn expect_off(&self, key: &str) -> Result<()> {
        match self.section.find(key) {
            Some(entry) if entry.flag(self.inputs)? => {
                Err(entry.refuse("0; other values have no counterpart in recipes"))
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// Returns the activation function; `None` for the identity.
fn neuron(entry: &Entry<'_, '_>) -> Result<Option<Activation>> {
    let text: String = entry.text.chars().filter(|c| !c.is_whitespace()).collect();
    match text.as_str() {
        "ident" | "" => Ok(None),
        "relu" => Ok(Some(Activation::Relu)),
        "logistic" => Ok(Some(Activation::Logistic)),
        "tanh[1,1]" | "tanh[1.0,1.0]" => Ok(Some(Activation::Tanh)),
        _ => Err(entry.refuse(
            "ident, relu, logistic or tanh[1,1]; the program's other neurons have no counterpart in recipes",
        )),
    }
}

/// Returns the first key whose values differ in two parts of a layer.
pub(super) fn different_key<'a>(a: &Layer<'_, 'a>, b: &Layer<'_, 'a>) -> Option<&'a str> {
    let is_own = |key: &str| {
        ["inputs", "gpu", "partialSum", "sumWidth"].iter().any(|own| key.eq_ignore_ascii_case(own))
    };
    let sections = [(Some(a.section), Some(b.section)), (a.parameters, b.parameters)];
    sections.into_iter().filter_map(|(a, b)| Some((a?, b?))).find_map(|(a, b)| {
        let differs = |key: &str| a.find(key).map(|entry| entry.text) != b.find(key).map(|entry| entry.text);
        a.values.iter().chain(&b.values).map(|value| value.key).find(|key| !is_own(key) && differs(key))
    })
}
