//! Factors and offsets of each channel, which become a part of the convolution or fully connected layer before them.

use std::rc::Rc;

use super::array::FloatArray;
use super::problem::Supported;
use super::signal::{FoundLayer, FoundParameters, Origin, Signal, SignalId, Step};
use super::state::{State, Value};
use crate::net::{DropoutScale, Spec};

/// What is done to the numbers of each channel.
#[derive(Clone, Debug)]
struct ChannelScale {
    factors: Vec<f32>,
    offsets: Vec<f32>,
}

impl<'a> State<'a> {
    /// Batch normalization as in inference: `(x - mean) / sqrt(variance + epsilon) * scale + bias`.
    pub(super) fn batch_normalization(
        &mut self,
        x: SignalId,
        is_read_elsewhere: bool,
        epsilon: f32,
        inputs: &[Value<'a>],
    ) -> Supported<SignalId> {
        let channels = self.signals[x].maps.channels;
        let constant = |name: &str, at: usize| {
            let array = self.floats(inputs.get(at).unwrap_or(&Value::Unknown))?;
            match array.data.len() == channels {
                true => Ok(array.data),
                false => Err(format!("{name} of shape {:?}, expected [{channels}]", array.shape)),
            }
        };
        let (scale, bias) = (constant("scale", 1)?, constant("B", 2)?);
        let (mean, variance) = (constant("mean", 3)?, constant("variance", 4)?);
        let factors: Vec<f64> = scale
            .iter()
            .zip(variance.iter())
            .map(|(&scale, &variance)| f64::from(scale) / (f64::from(variance) + f64::from(epsilon)).sqrt())
            .collect();
        let offset = |((factor, &mean), &bias): ((&f64, &f32), &f32)| {
            (f64::from(bias) - factor * f64::from(mean)) as f32
        };
        let offsets = factors.iter().zip(mean.iter()).zip(bias.iter()).map(offset).collect();
        let scale = ChannelScale { factors: factors.iter().map(|&factor| factor as f32).collect(), offsets };
        let folded = self.fold(x, is_read_elsewhere, &scale)?;
        self.note("batch normalization became a part of the weights and biases of the layer before it");
        Ok(folded)
    }

    /// A constant times a signal.
    pub(super) fn scaled(
        &mut self,
        x: SignalId,
        is_read_elsewhere: bool,
        by: &FloatArray,
    ) -> Supported<SignalId> {
        let is_layer = matches!(self.signals[self.unviewed(x)].origin, Origin::Layer(..));
        match (by.scalar(), &self.signals[x].origin) {
            (Some(factor), _) if is_layer && factor > 0.0 && factor < 1.0 => {
                let spec = Spec::Dropout { rate: 1.0 - factor, scale: DropoutScale::Test };
                Ok(self.add_same(FoundLayer::plain(spec), x))
            }
            (Some(factor), Origin::Step(_) | Origin::View(_)) => Ok(self.add_linear(x, factor, 0.0)),
            (_, Origin::Layer(..)) => {
                let (factors, channels) = (self.per_channel(x, by)?, self.signals[x].maps.channels);
                self.fold(x, is_read_elsewhere, &ChannelScale { factors, offsets: vec![0.0; channels] })
            }
            (
                _,
                Origin::Pixels(_)
                | Origin::Images
                | Origin::View(_)
                | Origin::Part { .. }
                | Origin::Padded { .. }
                | Origin::Probabilities(_)
                | Origin::Step(_),
            ) => Err("a factor after something that is no convolution or fully connected layer".into()),
        }
    }

    /// A signal plus a constant.
    pub(super) fn shifted(
        &mut self,
        x: SignalId,
        is_read_elsewhere: bool,
        by: &FloatArray,
    ) -> Supported<SignalId> {
        match (by.scalar(), &self.signals[x].origin) {
            (_, Origin::Step(Step::Product { .. })) => {
                let shape = self.signals[x].shape.clone();
                Ok(self.add_step(Step::Shifted { of: x, by: by.clone() }, x, shape))
            }
            (Some(offset), Origin::Step(_) | Origin::View(_)) => Ok(self.add_linear(x, 1.0, offset)),
            (_, Origin::Layer(..)) => {
                let (offsets, channels) = (self.per_channel(x, by)?, self.signals[x].maps.channels);
                self.fold(x, is_read_elsewhere, &ChannelScale { factors: vec![1.0; channels], offsets })
            }
            (
                _,
                Origin::Pixels(_)
                | Origin::Images
                | Origin::View(_)
                | Origin::Part { .. }
                | Origin::Padded { .. }
                | Origin::Probabilities(_)
                | Origin::Step(_),
            ) => Err("an offset after something that is no convolution or fully connected layer".into()),
        }
    }

    fn add_linear(&mut self, of: SignalId, factor: f32, offset: f32) -> SignalId {
        let shape = self.signals[of].shape.clone();
        self.add_step(Step::Linear { of, factor, offset }, of, shape)
    }

    /// One number for each channel: a single one, or `[channels]` along the axis of the channels.
    fn per_channel(&self, x: SignalId, array: &FloatArray) -> Supported<Vec<f32>> {
        let Signal { shape, maps, .. } = &self.signals[x];
        let refused = || {
            format!(
                "a constant of shape {:?}, expected one number, or one for each of {} channels",
                array.shape, maps.channels
            )
        };
        if let Some(value) = array.scalar() {
            self.tensors.spend(maps.channels)?;
            return Ok(vec![value; maps.channels]);
        }
        // Counted from the last axis, as shapes are aligned.
        let after_channels = shape.len().checked_sub(2).ok_or_else(refused)?;
        let is_channel = |(at, &size): (usize, &usize)| {
            if at == after_channels { size == maps.channels } else { size == 1 }
        };
        let fits = array.shape.len() > after_channels && array.shape.len() <= shape.len();
        match fits && array.shape.iter().rev().enumerate().all(is_channel) {
            true => Ok(array.data.to_vec()),
            false => Err(refused()),
        }
    }

    /// Makes factors and offsets a part of the layer that a signal is the output of.
    fn fold(&mut self, x: SignalId, is_read_elsewhere: bool, scale: &ChannelScale) -> Supported<SignalId> {
        let Origin::Layer(FoundLayer { spec, parameters: Some(parameters) }, from) = &self.signals[x].origin
        else {
            return Err("the node before it is no convolution or fully connected layer".into());
        };
        if is_read_elsewhere {
            return Err("other nodes read the output of the layer before it".into());
        }
        let (spec, from, FoundParameters { weights, biases }) = (spec.clone(), *from, parameters.clone());
        match spec {
            Spec::Conv(_) | Spec::Fc { .. } => {}
            Spec::Local(_)
            | Spec::MaxPool(_)
            | Spec::AvgPool(_)
            | Spec::Lrn { .. }
            | Spec::MapNorm { .. }
            | Spec::Relu {}
            | Spec::Tanh {}
            | Spec::Logistic {}
            | Spec::Dropout { .. } => {
                return Err("the node before it is no convolution or fully connected layer".into());
            }
        }
        let ChannelScale { factors, offsets } = scale;
        self.tensors.spend(weights.len() + biases.len())?;
        let mut weights = weights.to_vec();
        if factors.iter().any(|&factor| factor != 1.0) {
            let kernel = weights.len() / factors.len();
            for (kernel, factor) in weights.chunks_exact_mut(kernel.max(1)).zip(factors) {
                kernel.iter_mut().for_each(|weight| *weight *= factor);
            }
        }
        let biases = biases.iter().zip(factors).zip(offsets);
        let biases = biases.map(|((bias, factor), offset)| bias * factor + offset).collect();
        let Signal { shape, maps, .. } = &self.signals[x];
        let (shape, maps) = (shape.clone(), *maps);
        let layer = FoundLayer::with(spec, Rc::new(weights), biases);
        Ok(self.add(shape, maps, Origin::Layer(layer, from)))
    }
}
