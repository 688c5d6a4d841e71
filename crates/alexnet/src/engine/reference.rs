//! The oracle: a whole network by the naive kernels, in any precision, with every activation kept.
//!
//! It is slow and simple. The tests hold the engines against it, and itself against central differences in f64.

use super::batch::Batch;
use super::cpu::layout;
use super::tensor::Tensor;
use crate::net::{Activation, DropoutScale, Layer, Network, Operation, PoolKind};
use alexnet_kernels::hash::combine;
use alexnet_kernels::real::Real;
use alexnet_kernels::{activation, conv, dropout, fc, local, loss, lrn, map_norm, pool};

/// Weights and biases of every layer, in the kernels' order; empty for a layer that learns nothing.
#[derive(Clone, Debug)]
pub struct Weights<T> {
    /// One pair per layer: weights, biases.
    pub layers: Vec<(Vec<T>, Vec<T>)>,
}

/// What [`loss_and_gradients`] finds.
#[derive(Clone, Debug)]
pub struct Gradients<T> {
    /// Mean loss of the batch.
    pub loss: f64,
    /// `[n, classes]`.
    pub logits: Vec<T>,
    /// The gradient of the mean loss, shaped as the weights.
    pub weights: Weights<T>,
}

impl<T: Real> Weights<T> {
    /// Takes named tensors in the model file's order, as an engine gives them.
    pub fn from_tensors(network: &Network, tensors: &[Tensor]) -> Self {
        let find = |name: String| {
            let tensor = tensors.iter().find(|tensor| tensor.name == name);
            tensor.map_or_else(Vec::new, |t| {
                t.data.iter().map(|&value| T::from_f64(f64::from(value))).collect()
            })
        };
        let pair = |layer: &Layer| {
            let weights = find(format!("{}.weight", layer.name));
            (layout::to_kernels(layer, &weights), find(format!("{}.bias", layer.name)))
        };
        Self { layers: network.layers.iter().map(pair).collect() }
    }

    /// The values in the model file's order and layout: name, values.
    pub fn named(&self, network: &Network) -> Vec<(String, Vec<T>)> {
        let learning =
            network.layers.iter().zip(&self.layers).filter(|(_, (weights, _))| !weights.is_empty());
        learning
            .flat_map(|(layer, (weights, biases))| {
                let weights = (format!("{}.weight", layer.name), layout::to_file(layer, weights));
                [weights, (format!("{}.bias", layer.name), biases.clone())]
            })
            .collect()
    }
}

/// Logits `[n, classes]` as at test time.
pub fn forward<T: Real>(network: &Network, weights: &Weights<T>, images: &[T]) -> Vec<T> {
    activations(network, weights, images, None).pop().unwrap_or_default()
}

/// Loss, logits and gradients of one batch, units silenced as in training. `batch.images` is ignored in favor
/// of `images`, which has the precision `T`.
pub fn loss_and_gradients<T: Real>(
    network: &Network,
    weights: &Weights<T>,
    images: &[T],
    batch: &Batch<'_>,
) -> Gradients<T> {
    let n = batch.labels.len();
    let values = activations(network, weights, images, Some(batch.keys));
    let logits = values.last().cloned().unwrap_or_default();
    let mut dy = vec![T::from_f64(0.0); logits.len()];
    let loss = loss::reference::softmax_loss(&logits, batch.labels, n, network.classes, &mut dy);
    let mut gradients = Weights { layers: vec![(Vec::new(), Vec::new()); network.layers.len()] };
    for (i, layer) in network.layers.iter().enumerate().rev() {
        let (x, y) = (&values[i], &values[i + 1]);
        let (w, b) = &weights.layers[i];
        let mut dx = vec![T::from_f64(0.0); x.len()];
        let mut dw = (vec![T::from_f64(0.0); w.len()], vec![T::from_f64(0.0); b.len()]);
        if let Operation::Dropout { rate, scale } = layer.operation {
            silence(&mut dy, n, &keys(batch.keys, i), rate, scale);
        }
        backward(layer, (x, y), w, &mut dy, &mut dx, &mut dw);
        gradients.layers[i] = dw;
        dy = dx;
    }
    Gradients { loss, logits, weights: gradients }
}

/// The images, then every layer's output.
fn activations<T: Real>(
    network: &Network,
    weights: &Weights<T>,
    images: &[T],
    training: Option<&[u64]>,
) -> Vec<Vec<T>> {
    let n = images.len() / network.input.len();
    let mut values = vec![images.to_vec()];
    for (i, layer) in network.layers.iter().enumerate() {
        let x = &values[i];
        let mut y = vec![T::from_f64(0.0); n * layer.output.len()];
        let (w, b) = &weights.layers[i];
        match &layer.operation {
            Operation::Conv(g, _) => conv::reference::forward(g, n, x, w, b, &mut y),
            Operation::Local(g, _) => local::reference::forward(g, n, x, w, b, &mut y),
            Operation::Fc(g, _) => fc::reference::forward(g, n, x, w, b, &mut y),
            Operation::Pool(PoolKind::Max, g) => pool::reference::max_forward(g, n, x, &mut y),
            Operation::Pool(PoolKind::Average, g) => pool::reference::avg_forward(g, n, x, &mut y),
            Operation::Lrn(g) => lrn::reference::forward(g, n, x, &mut y),
            Operation::MapNorm(g) => map_norm::reference::forward(g, n, x, &mut y),
            Operation::Activation(function) => {
                y.copy_from_slice(x);
                match function {
                    Activation::Relu => activation::reference::relu(&mut y),
                    Activation::Tanh => activation::reference::tanh(&mut y),
                    Activation::Logistic => activation::reference::logistic(&mut y),
                }
            }
            Operation::Dropout { rate, scale } => {
                y.copy_from_slice(x);
                match (training, scale) {
                    (Some(all), _) => silence(&mut y, n, &keys(all, i), *rate, *scale),
                    (None, DropoutScale::Test) => {
                        dropout::reference::scale(&mut y, T::from_f64(1.0 - f64::from(*rate)))
                    }
                    (None, DropoutScale::Train) => {}
                }
            }
        }
        values.push(y);
    }
    values
}

/// One layer's gradients. Dropout's own has been applied to `dy` by the caller.
fn backward<T: Real>(
    layer: &Layer,
    (x, y): (&[T], &[T]),
    w: &[T],
    dy: &mut [T],
    dx: &mut [T],
    (dw, db): &mut (Vec<T>, Vec<T>),
) {
    let n = y.len() / layer.output.len();
    match &layer.operation {
        Operation::Conv(g, _) => {
            conv::reference::backward_weights(g, n, x, dy, dw, db);
            conv::reference::backward_input(g, n, dy, w, dx);
        }
        Operation::Local(g, _) => {
            local::reference::backward_weights(g, n, x, dy, dw, db);
            local::reference::backward_input(g, n, dy, w, dx);
        }
        Operation::Fc(g, _) => {
            fc::reference::backward_weights(g, n, x, dy, dw, db);
            fc::reference::backward_input(g, n, dy, w, dx);
        }
        Operation::Pool(PoolKind::Max, g) => pool::reference::max_backward(g, n, x, dy, dx),
        Operation::Pool(PoolKind::Average, g) => pool::reference::avg_backward(g, n, dy, dx),
        Operation::Lrn(g) => lrn::reference::backward(g, n, x, dy, dx),
        Operation::MapNorm(g) => map_norm::reference::backward(g, n, x, dy, dx),
        Operation::Activation(function) => {
            match function {
                Activation::Relu => activation::reference::relu_backward(y, dy),
                Activation::Tanh => activation::reference::tanh_backward(y, dy),
                Activation::Logistic => activation::reference::logistic_backward(y, dy),
            }
            dx.copy_from_slice(dy);
        }
        Operation::Dropout { .. } => dx.copy_from_slice(dy),
    }
}

fn silence<T: Real>(values: &mut [T], n: usize, keys: &[u64], rate: f32, scale: DropoutScale) {
    let kept = match scale {
        DropoutScale::Test => 1.0,
        DropoutScale::Train => 1.0 / (1.0 - f64::from(rate)),
    };
    dropout::reference::apply(values, n, keys, rate, T::from_f64(kept));
}

fn keys(keys: &[u64], layer: usize) -> Vec<u64> {
    keys.iter().map(|&key| combine(key, layer as u64)).collect()
}
