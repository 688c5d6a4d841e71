//! The reference: a whole network by the naive kernels, in any precision, with every activation kept.
//!
//! It is slow and simple. The tests compare engines with it, and it with central differences in f64.

use super::batch::Batch;
use super::cpu::layout;
use super::interface::Objective;
use super::tensor::Tensor;
use crate::net::{Activation, DropoutScale, Layer, Network, Operation, PoolKind};
use alexnet_kernels::hash::combine;
use alexnet_kernels::real::Real;
use alexnet_kernels::{activation, conv, dropout, fc, local, loss, lrn, map_norm, pool};

/// Weights and biases of every layer, or their gradients, in the kernels' layout.
#[derive(Clone, Debug)]
pub struct Weights<T> {
    /// One element per layer; `None` for a layer without weights.
    pub layers: Vec<Option<Pair<T>>>,
}

/// Weights and biases of a layer.
#[derive(Clone, Debug)]
pub struct Pair<T> {
    /// The weights.
    pub weights: Vec<T>,
    /// The biases.
    pub biases: Vec<T>,
}

/// The result of [`loss_and_gradients`].
#[derive(Clone, Debug)]
pub struct Gradients<T> {
    /// Mean loss of the batch.
    pub loss: f64,
    /// Logits, `[n, classes]`.
    pub logits: Vec<T>,
    /// The gradient of the mean loss with respect to the weights.
    pub weights: Weights<T>,
}

impl<T: Real> Weights<T> {
    /// Converts named tensors in the order and layout of the model file.
    ///
    /// # Panics
    /// Panics if a tensor is missing.
    pub fn from_tensors(network: &Network, tensors: &[Tensor]) -> Self {
        let find = |name: String| -> Vec<T> {
            let tensor = tensors.iter().find(|tensor| tensor.name == name).expect("a tensor of each name");
            tensor.data.iter().map(|&value| T::from_f64(f64::from(value))).collect()
        };
        let pair = |layer: &Layer| {
            layer.weights()?;
            let weights = layout::to_kernels(layer, &find(layer.weight_name()));
            Some(Pair { weights, biases: find(layer.bias_name()) })
        };
        Self { layers: network.layers.iter().map(pair).collect() }
    }

    /// Returns names and values in the order and layout of the model file.
    pub fn named(&self, network: &Network) -> Vec<(String, Vec<T>)> {
        let layers = network.layers.iter().zip(&self.layers);
        layers
            .filter_map(|(layer, pair)| Some((layer, pair.as_ref()?)))
            .flat_map(|(layer, pair)| {
                let weights = layout::to_file(layer, &pair.weights);
                let weights = (layer.weight_name(), weights);
                [weights, (layer.bias_name(), pair.biases.clone())]
            })
            .collect()
    }
}

/// How dropout layers compute.
#[derive(Clone, Copy)]
enum Dropout<'a> {
    /// With masks that follow from these keys, one per image.
    Training(&'a [u64]),
    /// Without masks, scaled where the recipe scales at test time.
    Test,
}

/// Returns the logits `[n, classes]` as at test time.
pub fn forward<T: Real>(network: &Network, weights: &Weights<T>, images: &[T]) -> Vec<T> {
    activations(network, weights, images).pop().unwrap_or_default()
}

/// Returns the outputs of every layer as at test time.
pub fn activations<T: Real>(network: &Network, weights: &Weights<T>, images: &[T]) -> Vec<Vec<T>> {
    compute(network, weights, images, Dropout::Test).split_off(1)
}

/// Returns loss, logits and gradients of one batch, with dropout as in training. `images` replaces `batch.images`: it has
/// the precision `T`.
pub fn loss_and_gradients<T: Real>(
    network: &Network,
    weights: &Weights<T>,
    images: &[T],
    batch: &Batch<'_>,
) -> Gradients<T> {
    let n = batch.labels.len();
    let values = compute(network, weights, images, Dropout::Training(batch.keys));
    let logits = values.last().cloned().unwrap_or_default();
    let mut dy = vec![T::from_f64(0.0); logits.len()];
    let loss = loss::reference::softmax_loss(&logits, batch.labels, n, network.classes, &mut dy);
    let (weights, _) = backward(network, weights, &values, dy, Dropout::Training(batch.keys));
    Gradients { loss, logits, weights }
}

/// Returns the gradient of each image's objective with respect to its pixels, as at test time.
pub fn input_gradient<T: Real>(
    network: &Network,
    weights: &Weights<T>,
    images: &[T],
    objective: Objective<'_>,
) -> Vec<T> {
    let values = compute(network, weights, images, Dropout::Test);
    let logits = values.last().cloned().unwrap_or_default();
    let mut dy = vec![T::from_f64(0.0); logits.len()];
    let rows = logits.chunks_exact(network.classes).zip(dy.chunks_exact_mut(network.classes));
    match objective {
        Objective::Logits(classes) => {
            rows.zip(classes).for_each(|((_, dy), &class)| dy[class as usize] = T::from_f64(1.0));
        }
        Objective::Loss(labels) => rows.zip(labels).for_each(|((logits, dy), &label)| {
            loss::reference::softmax_loss(logits, &[label], 1, network.classes, dy);
        }),
    }
    backward(network, weights, &values, dy, Dropout::Test).1
}

/// The images, then the outputs of every layer.
fn compute<T: Real>(
    network: &Network,
    weights: &Weights<T>,
    images: &[T],
    dropout: Dropout<'_>,
) -> Vec<Vec<T>> {
    let n = images.len() / network.input.len();
    let mut values = vec![images.to_vec()];
    for (i, layer) in network.layers.iter().enumerate() {
        let x = &values[i];
        let mut y = vec![T::from_f64(0.0); n * layer.output.len()];
        match (&layer.operation, &weights.layers[i]) {
            (Operation::Conv(g, _), Some(p)) => {
                conv::reference::forward(g, n, x, &p.weights, &p.biases, &mut y);
            }
            (Operation::Local(g, _), Some(p)) => {
                local::reference::forward(g, n, x, &p.weights, &p.biases, &mut y);
            }
            (Operation::Fc(g, _), Some(p)) => fc::reference::forward(g, n, x, &p.weights, &p.biases, &mut y),
            (Operation::Conv(..) | Operation::Local(..) | Operation::Fc(..), None) => {
                unreachable!("a layer without its weights")
            }
            (Operation::Pool(PoolKind::Max, g), _) => pool::reference::max_forward(g, n, x, &mut y),
            (Operation::Pool(PoolKind::Average, g), _) => pool::reference::avg_forward(g, n, x, &mut y),
            (Operation::Lrn(g), _) => lrn::reference::forward(g, n, x, &mut y),
            (Operation::MapNorm(g), _) => map_norm::reference::forward(g, n, x, &mut y),
            (Operation::Activation(function), _) => {
                y.copy_from_slice(x);
                match function {
                    Activation::Relu => activation::reference::relu(&mut y),
                    Activation::Tanh => activation::reference::tanh(&mut y),
                    Activation::Logistic => activation::reference::logistic(&mut y),
                }
            }
            (Operation::Dropout { rate, scale }, _) => {
                y.copy_from_slice(x);
                apply_dropout(layer, &mut y, n, dropout, *rate, *scale);
            }
        }
        values.push(y);
    }
    values
}

/// The gradients with respect to weights and pixels, given the one with respect to the logits.
fn backward<T: Real>(
    network: &Network,
    weights: &Weights<T>,
    values: &[Vec<T>],
    mut dy: Vec<T>,
    dropout: Dropout<'_>,
) -> (Weights<T>, Vec<T>) {
    let n = values[0].len() / network.input.len();
    let mut gradients = Weights { layers: vec![None; network.layers.len()] };
    for (i, layer) in network.layers.iter().enumerate().rev() {
        let (x, y) = (&values[i], &values[i + 1]);
        let mut dx = vec![T::from_f64(0.0); x.len()];
        match &weights.layers[i] {
            Some(pair) => {
                gradients.layers[i] = Some(weighted(layer, n, x, pair, &dy, &mut dx));
            }
            None => match &layer.operation {
                Operation::Activation(function) => {
                    match function {
                        Activation::Relu => activation::reference::relu_backward(y, &mut dy),
                        Activation::Tanh => activation::reference::tanh_backward(y, &mut dy),
                        Activation::Logistic => activation::reference::logistic_backward(y, &mut dy),
                    }
                    dx.copy_from_slice(&dy);
                }
                Operation::Dropout { rate, scale } => {
                    apply_dropout(layer, &mut dy, n, dropout, *rate, *scale);
                    dx.copy_from_slice(&dy);
                }
                operation => unweighted(operation, n, x, &dy, &mut dx),
            },
        }
        dy = dx;
    }
    (gradients, dy)
}

/// The backward pass of a layer with weights.
fn weighted<T: Real>(layer: &Layer, n: usize, x: &[T], pair: &Pair<T>, dy: &[T], dx: &mut [T]) -> Pair<T> {
    let zeros = |values: &[T]| vec![T::from_f64(0.0); values.len()];
    let mut gradient = Pair { weights: zeros(&pair.weights), biases: zeros(&pair.biases) };
    let (w, dw, db) = (&pair.weights, &mut gradient.weights, &mut gradient.biases);
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
        _ => unreachable!("a layer without weights"),
    }
    gradient
}

/// The backward pass of pooling and normalization.
fn unweighted<T: Real>(operation: &Operation, n: usize, x: &[T], dy: &[T], dx: &mut [T]) {
    match operation {
        Operation::Pool(PoolKind::Max, g) => pool::reference::max_backward(g, n, x, dy, dx),
        Operation::Pool(PoolKind::Average, g) => pool::reference::avg_backward(g, n, dy, dx),
        Operation::Lrn(g) => lrn::reference::backward(g, n, x, dy, dx),
        Operation::MapNorm(g) => map_norm::reference::backward(g, n, x, dy, dx),
        _ => unreachable!("handled by the caller"),
    }
}

/// Multiplies values, or their gradients, by a dropout layer's masks in training and its factor at test time.
fn apply_dropout<T: Real>(
    layer: &Layer,
    values: &mut [T],
    n: usize,
    dropout: Dropout<'_>,
    rate: f32,
    scale: DropoutScale,
) {
    let kept = 1.0 - f64::from(rate);
    match (dropout, scale) {
        (Dropout::Training(keys), scale) => {
            let keys: Vec<u64> = keys.iter().map(|&key| combine(key, layer.random_key)).collect();
            let factor = match scale {
                DropoutScale::Test => 1.0,
                DropoutScale::Train => 1.0 / kept,
            };
            dropout::reference::apply(values, n, &keys, rate, T::from_f64(factor));
        }
        (Dropout::Test, DropoutScale::Test) => dropout::reference::scale(values, T::from_f64(kept)),
        (Dropout::Test, DropoutScale::Train) => {}
    }
}
