//! What is known while the nodes of a graph are gone through.

use std::collections::HashMap;

use alexnet_kernels::geometry::Maps;

use super::array::{FloatArray, Size, SizeArray};
use super::operator::is_float;
use super::problem::{Problem, Supported};
use super::signal::{FoundLayer, Origin, Pixels, Signal, SignalId, Step, maps_shape, units_shape};
use super::tensors::{Tensors, type_name};
use crate::interop::onnx::proto::{TensorProto, data_type};

/// What a name stands for.
#[derive(Clone, Debug)]
pub(super) enum Value<'a> {
    /// An array of the file.
    Stored(&'a TensorProto),
    Floats(FloatArray),
    Sizes(SizeArray),
    Signal(SignalId),
    /// An input that a node leaves out.
    Absent,
    /// It follows from something that is not supported.
    Unknown,
}

/// What is known while the nodes of a graph are gone through.
pub(super) struct State<'a> {
    pub(super) tensors: Tensors<'a>,
    pub(super) values: HashMap<&'a str, Value<'a>>,
    pub(super) signals: Vec<Signal>,
    /// How many nodes read each name; the output of the graph counts as one.
    pub(super) readers: HashMap<&'a str, usize>,
    /// The number of images, if the file fixes it.
    pub(super) images: Option<i64>,
    /// The version of the operator set.
    pub(super) opset: i64,
    /// Whether there is an operator for response normalization.
    pub(super) has_lrn: bool,
    /// Whether activations are rounded to 8 bits.
    pub(super) has_bytes: bool,
    /// How the graph preprocesses images.
    pub(super) pixels: Option<Pixels>,
    /// The node that is gone through, in messages.
    pub(super) place: String,
    pub(super) problems: Vec<Problem>,
    /// What was converted or left out, a sentence each.
    pub(super) notes: Vec<String>,
}

impl<'a> State<'a> {
    pub(super) fn new(tensors: Tensors<'a>, opset: i64) -> Self {
        Self {
            tensors,
            values: HashMap::new(),
            signals: Vec::new(),
            readers: HashMap::new(),
            images: None,
            opset,
            has_lrn: false,
            has_bytes: false,
            pixels: None,
            place: String::new(),
            problems: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Notes that something is not supported.
    pub(super) fn report(&mut self, place: &str, what: impl Into<String>) {
        let problem = Problem { place: place.to_owned(), what: what.into() };
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    /// Adds a sentence for the user, once.
    pub(super) fn note(&mut self, text: impl Into<String>) {
        let text = text.into();
        if !self.notes.contains(&text) {
            self.notes.push(text);
        }
    }

    /// Adds a signal.
    pub(super) fn add(&mut self, shape: Vec<Size>, maps: Maps, origin: Origin) -> SignalId {
        self.signals.push(Signal { shape, maps, origin, place: self.place.clone() });
        self.signals.len() - 1
    }

    /// Adds the maps of a layer.
    pub(super) fn add_maps(&mut self, layer: FoundLayer, from: SignalId, maps: Maps) -> SignalId {
        self.add(maps_shape(maps), maps, Origin::Layer(layer, from))
    }

    /// Adds the units of a layer.
    pub(super) fn add_units(&mut self, layer: FoundLayer, from: SignalId, units: usize) -> SignalId {
        self.add(units_shape(units), Maps::new(1, 1, units), Origin::Layer(layer, from))
    }

    /// Adds a layer that changes each number by itself.
    pub(super) fn add_same(&mut self, layer: FoundLayer, from: SignalId) -> SignalId {
        let Signal { shape, maps, .. } = &self.signals[from];
        let (shape, maps) = (shape.clone(), *maps);
        self.add(shape, maps, Origin::Layer(layer, from))
    }

    /// Adds a part of a layer, with this shape.
    pub(super) fn add_step(&mut self, step: Step, of: SignalId, shape: Vec<Size>) -> SignalId {
        let maps = self.signals[of].maps;
        self.add(shape, maps, Origin::Step(step))
    }

    /// Adds the same numbers in another shape.
    pub(super) fn view(&mut self, of: SignalId, shape: Vec<Size>) -> SignalId {
        let maps = self.signals[of].maps;
        if self.signals[of].shape == shape { of } else { self.add(shape, maps, Origin::View(of)) }
    }

    /// A signal without changes of its shape.
    pub(super) fn unviewed(&self, mut id: SignalId) -> SignalId {
        while let Origin::View(of) = self.signals[id].origin {
            id = of;
        }
        id
    }

    /// The floats of a constant; integers are converted.
    pub(super) fn floats(&self, value: &Value<'a>) -> Supported<FloatArray> {
        match value {
            _ if value.is_sizes() => {
                let SizeArray { shape, data } = self.sizes(value)?;
                let float = |size: Size| match size {
                    Size::Known(value) => Ok(value as f32),
                    Size::Images(_) => Err("the number of images where floats are expected".to_owned()),
                };
                Ok(FloatArray::new(shape, data.into_iter().map(float).collect::<Supported<_>>()?))
            }
            Value::Stored(tensor) => self.tensors.floats(tensor),
            Value::Floats(array) => Ok(array.clone()),
            Value::Sizes(_) => Err("an array of integers where floats are expected".into()),
            Value::Absent => Err("an input is missing".into()),
            Value::Signal(_) | Value::Unknown => {
                Err("an input is computed, where a constant is expected".into())
            }
        }
    }

    /// The integers of a constant.
    pub(super) fn sizes(&self, value: &Value<'a>) -> Supported<SizeArray> {
        match value {
            Value::Stored(tensor) => self.tensors.sizes(tensor),
            Value::Sizes(array) => Ok(array.clone()),
            Value::Floats(_) => Err("an array of floats where integers are expected".into()),
            Value::Absent => Err("an input is missing".into()),
            Value::Signal(_) | Value::Unknown => {
                Err("an input is computed from the images, where constant sizes are expected".into())
            }
        }
    }

    /// Integers of a constant, none of which depends on the number of images.
    pub(super) fn known_sizes(&self, value: &Value<'a>) -> Supported<Vec<i64>> {
        let sizes = self.sizes(value)?;
        sizes.known().ok_or_else(|| "the number of images where a fixed size is expected".into())
    }

    /// The maps that a layer reads.
    pub(super) fn maps_of(&self, x: SignalId) -> Supported<Maps> {
        let signal = &self.signals[x];
        match signal.is_maps() {
            true => Ok(signal.maps),
            false => Err(format!(
                "its input has the shape {}, expected the maps of the layer before it, {}",
                signal.shown(),
                signal.maps
            )),
        }
    }

    /// The dimensions of a signal from `start` on, before `end`.
    pub(super) fn shape_of(&self, x: SignalId, start: i64, end: Option<i64>) -> SizeArray {
        let shape = &self.signals[x].shape;
        let rank = shape.len() as i64;
        let inside = |at: i64| if at < 0 { at.saturating_add(rank) } else { at }.clamp(0, rank) as usize;
        let (start, end) = (inside(start), inside(end.unwrap_or(rank)));
        SizeArray::list(shape[start..end.max(start)].to_vec())
    }
}

impl Value<'_> {
    /// Whether it is a constant of floats.
    pub(super) fn is_floats(&self) -> bool {
        match self {
            Self::Stored(tensor) => is_float(tensor.data_type),
            Self::Floats(_) => true,
            Self::Sizes(_) | Self::Signal(_) | Self::Absent | Self::Unknown => false,
        }
    }

    /// Whether it is a constant of sizes.
    pub(super) fn is_sizes(&self) -> bool {
        match self {
            Self::Stored(tensor) => {
                [data_type::INT32, data_type::INT64, data_type::BOOL].contains(&tensor.data_type)
            }
            Self::Sizes(_) => true,
            Self::Floats(_) | Self::Signal(_) | Self::Absent | Self::Unknown => false,
        }
    }

    /// What it is, in messages.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Stored(tensor) => format!("a constant of type {}", type_name(tensor.data_type)),
            Self::Floats(_) => "a constant of floats".to_owned(),
            Self::Sizes(_) => "constant sizes".to_owned(),
            Self::Signal(_) => "a tensor that depends on the images".to_owned(),
            Self::Absent => "nothing".to_owned(),
            Self::Unknown => "an unknown tensor".to_owned(),
        }
    }
}
