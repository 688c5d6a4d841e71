//! Convolutions, fully connected layers, pooling and the other layers that are one node.

use std::rc::Rc;

use alexnet_kernels::geometry::{ConvGeometry, Maps, PoolGeometry, Rounding, Window};

use super::array::FloatArray;
use super::operator::{PoolAttributes, WindowAttributes};
use super::problem::Supported;
use super::signal::{AxisPadding, FoundLayer, Origin, SignalId, units_shape};
use super::state::{State, Value};
use super::window::MapWindow;
use crate::format::decimal;
use crate::net::{
    Activation, ConvSpec, DropoutScale, Init, PoolKind, PoolSpec, RoundingSpec, Spec, WeightSpec,
};

/// How weights of an imported layer are initialized, if they are trained anew.
pub(super) fn weight_spec() -> WeightSpec {
    WeightSpec { init: Init::He, ..WeightSpec::default() }
}

fn rounding_spec(rounding: Rounding) -> RoundingSpec {
    match rounding {
        Rounding::Down => RoundingSpec::Down,
        Rounding::Up => RoundingSpec::Up,
    }
}

impl<'a> State<'a> {
    /// The signal without padding of rows and columns, and that padding with its value.
    fn unpadded(&self, x: SignalId) -> Supported<(SignalId, AxisPadding, f32)> {
        let Origin::Padded { of, padding, value } = &self.signals[x].origin else {
            return Ok((x, AxisPadding::default(), 0.0));
        };
        let rest = |part: &[usize]| match part {
            [0, 0, rows, columns] => Some(vec![*rows, *columns]),
            _ => None,
        };
        match (rest(&padding.before), rest(&padding.after)) {
            (Some(before), Some(after)) => Ok((*of, AxisPadding { before, after }, *value)),
            _ => {
                Err(format!("its input is padded by {padding:?}, expected padding of rows and columns alone"))
            }
        }
    }

    pub(super) fn conv(
        &mut self,
        window: &WindowAttributes,
        groups: usize,
        x: SignalId,
        inputs: &[Value<'a>],
    ) -> Supported<SignalId> {
        let (x, around, value) = self.unpadded(x)?;
        if value != 0.0 {
            return Err(format!("its input is padded with {value}, expected 0"));
        }
        let maps = self.maps_of(x)?;
        let weights = self.floats(inputs.get(1).unwrap_or(&Value::Unknown))?;
        let &[outputs, group_inputs, kernel, columns] = weights.shape.as_slice() else {
            return Err(format!("weights of shape {:?}, expected four dimensions", weights.shape));
        };
        if kernel != columns || group_inputs.checked_mul(groups) != Some(maps.channels) {
            return Err(format!(
                "weights of shape {:?} and {groups} groups for {maps}, expected square kernels for its channels",
                weights.shape
            ));
        }
        let biases = self.biases(inputs.get(2), 1.0, outputs)?;
        let found = MapWindow::new(window, Some(kernel), maps, &around)?;
        let (pad, rounding) = found.fit(maps, false)?;
        let stride = found.stride;
        let geometry = ConvGeometry::new(maps, outputs, Window { kernel, stride, pad, rounding }, groups)
            .map_err(|error| error.to_string())?;
        let spec = Spec::Conv(ConvSpec {
            maps: outputs,
            kernel,
            stride,
            pad,
            groups,
            rounding: rounding_spec(rounding),
            weights: weight_spec(),
        });
        Ok(self.add_maps(FoundLayer::with(spec, weights.data, biases), x, geometry.output()))
    }

    /// Biases, one for each output: a constant of as many numbers or of one, times `factor`; none are 0.
    fn biases(&self, value: Option<&Value<'a>>, factor: f32, outputs: usize) -> Supported<Vec<f32>> {
        self.tensors.spend(outputs)?;
        let Some(value) = value else { return Ok(vec![0.0; outputs]) };
        let array = self.floats(value)?;
        let is_row = array.shape.iter().rev().skip(1).all(|&size| size == 1);
        match array.data.as_slice() {
            [single] => Ok(vec![single * factor; outputs]),
            values if values.len() == outputs && is_row => {
                Ok(values.iter().map(|value| value * factor).collect())
            }
            _ => Err(format!("biases of shape {:?}, expected [{outputs}]", array.shape)),
        }
    }

    /// A fully connected layer; `weights` are `[inputs, outputs]`, or exchanged if `transposed`.
    pub(super) fn fully_connected(
        &mut self,
        x: SignalId,
        weights: &FloatArray,
        transposed: bool,
        alpha: f32,
        bias: Option<(&Value<'a>, f32)>,
    ) -> Supported<SignalId> {
        let signal = &self.signals[x];
        if !signal.is_units() {
            return Err(format!(
                "its input has the shape {}, expected [N, {}], the outputs of the layer before it",
                signal.shown(),
                signal.maps.len()
            ));
        }
        let units = signal.maps.len();
        let &[rows, columns] = weights.shape.as_slice() else {
            return Err(format!("weights of shape {:?}, expected two dimensions", weights.shape));
        };
        let (inputs, outputs) = if transposed { (columns, rows) } else { (rows, columns) };
        if inputs != units || outputs == 0 {
            return Err(format!(
                "weights for {inputs} inputs and {outputs} outputs, the layer has {units} inputs"
            ));
        }
        let mut data = match transposed {
            true => Rc::clone(&weights.data),
            false => {
                self.tensors.spend(weights.data.len())?;
                weights.transposed(&[1, 0]).data
            }
        };
        if alpha != 1.0 {
            self.tensors.spend(data.len())?;
            Rc::make_mut(&mut data).iter_mut().for_each(|weight| *weight *= alpha);
        }
        let (bias, beta) = bias.map_or((None, 1.0), |(value, beta)| (Some(value), beta));
        let biases = self.biases(bias, beta, outputs)?;
        let spec = Spec::Fc { units: Some(outputs), weights: weight_spec() };
        Ok(self.add_units(FoundLayer::with(spec, data, biases), x, outputs))
    }

    pub(super) fn pool(
        &mut self,
        kind: PoolKind,
        attributes: &PoolAttributes,
        x: SignalId,
    ) -> Supported<SignalId> {
        let PoolAttributes { window, rounds_up, counts_padding } = attributes;
        if let Some(means) = self.means(kind, attributes, x)? {
            return Ok(means);
        }
        let (unpadded, around, value) = self.unpadded(x)?;
        let maps = self.maps_of(unpadded)?;
        let found = MapWindow::new(window, None, maps, &around)?;
        let is_padded = found.padding.before.iter().chain(&found.padding.after).any(|&pad| pad > 0);
        match kind {
            // Zeros are never above what is not negative.
            PoolKind::Max
                if unpadded != x && value > f32::MIN && !(value == 0.0 && self.is_non_negative(unpadded)) =>
            {
                return Err(format!(
                    "its input is padded with {value}, which may exceed the maximum of a window"
                ));
            }
            PoolKind::Average if unpadded != x || (is_padded && *counts_padding) => {
                return Err("padding counts in the averages, which is not supported".into());
            }
            PoolKind::Max | PoolKind::Average => {}
        }
        if *rounds_up && unpadded != x {
            return Err("it rounds up and its input is padded, which is not supported".into());
        }
        let (pad, rounding) = found.fit(maps, *rounds_up)?;
        let MapWindow { kernel, stride, .. } = found;
        if (kernel, stride, pad) == (1, 1, 0) {
            return Ok(unpadded);
        }
        let window = Window { kernel, stride, pad, rounding };
        let geometry = PoolGeometry::new(maps, window).map_err(|error| error.to_string())?;
        let spec = PoolSpec { kernel, stride, pad, rounding: rounding_spec(rounding) };
        let spec = match kind {
            PoolKind::Max => Spec::MaxPool(spec),
            PoolKind::Average => Spec::AvgPool(spec),
        };
        Ok(self.add_maps(FoundLayer::plain(spec), unpadded, geometry.output()))
    }

    /// The mean of each map.
    pub(super) fn global_average(&mut self, x: SignalId, axes: &[i64], flat: bool) -> Supported<SignalId> {
        let maps = self.maps_of(x)?;
        let mut axes: Vec<i64> = axes.iter().map(|&axis| if axis < 0 { axis + 4 } else { axis }).collect();
        axes.sort_unstable();
        if axes != [2, 3] || maps.height != maps.width {
            return Err(format!("a mean over the axes {axes:?} of {maps}, expected one over square maps"));
        }
        let pool = PoolSpec { kernel: maps.height, stride: 1, pad: 0, rounding: RoundingSpec::Down };
        let output = Maps::new(1, 1, maps.channels);
        let means = match maps.height {
            1 => x,
            _ => self.add_maps(FoundLayer::plain(Spec::AvgPool(pool)), x, output),
        };
        Ok(if flat { self.view(means, units_shape(maps.channels)) } else { means })
    }

    pub(super) fn activation(&mut self, function: Activation, x: SignalId) -> SignalId {
        let spec = match function {
            Activation::Relu => Spec::Relu {},
            Activation::Tanh => Spec::Tanh {},
            Activation::Logistic => Spec::Logistic {},
        };
        self.add_same(FoundLayer::plain(spec), x)
    }

    pub(super) fn lrn(
        &mut self,
        x: SignalId,
        size: usize,
        [alpha, beta, k]: [f32; 3],
    ) -> Supported<SignalId> {
        self.maps_of(x)?;
        let spec = Spec::Lrn {
            size,
            alpha: decimal(alpha),
            beta: decimal(beta),
            k: decimal(k),
            alpha_over_size: true,
            groups: 1,
        };
        Ok(self.add_same(FoundLayer::plain(spec), x))
    }

    pub(super) fn dropout(&mut self, x: SignalId, ratio: f32) -> Supported<SignalId> {
        match ratio {
            0.0 => Ok(x),
            rate if (0.0..1.0).contains(&rate) => {
                let spec = Spec::Dropout { rate, scale: DropoutScale::Train };
                Ok(self.add_same(FoundLayer::plain(spec), x))
            }
            other => Err(format!("ratio is {other}, expected 0 to 1")),
        }
    }

    /// Whether no number of a signal is negative.
    pub(super) fn is_non_negative(&self, mut x: SignalId) -> bool {
        loop {
            x = match &self.signals[x].origin {
                Origin::Layer(layer, from) => match &layer.spec {
                    Spec::Relu {} | Spec::Logistic {} => return true,
                    Spec::MaxPool(_)
                    | Spec::AvgPool(_)
                    | Spec::Lrn { .. }
                    | Spec::MapNorm { .. }
                    | Spec::Dropout { .. } => *from,
                    Spec::Conv(_) | Spec::Local(_) | Spec::Fc { .. } | Spec::Tanh {} => return false,
                },
                Origin::View(of) | Origin::Part { of, .. } => *of,
                Origin::Probabilities(_) => return true,
                Origin::Pixels(_) | Origin::Images | Origin::Padded { .. } | Origin::Step(_) => return false,
            };
        }
    }
}
