//! Shards of a batch computed by several engines, and sums in leaves that do not depend on the number of engines.

use crate::support;

use alexnet::engine::{
    Batch, Device, Engine, LayerGradient, Mode, Options, Shard, StepOutcome, Tensor, Update, open,
};
use alexnet::net::{Network, Recipe};
use support::{every_layer, lively_parameters, normals, relative_rms};

const UPDATE: Update = Update::sgd(0.01, 0.9, 0.0005);

/// A global batch.
struct Images {
    network: Network,
    images: Vec<f32>,
    labels: Vec<u32>,
    keys: Vec<u64>,
}

impl Images {
    fn new(recipe: &Recipe, n: usize) -> Self {
        let network = Network::new(recipe, 5).unwrap();
        let images = normals(7, n * network.input.len());
        let labels = (0..n as u32).map(|i| (i * 3 + 1) % 5).collect();
        Self { network, images, labels, keys: (100..100 + n as u64).collect() }
    }

    fn shard(&self, range: std::ops::Range<usize>) -> Batch<'_> {
        let len = self.network.input.len();
        let shard = Shard { first: range.start, global: self.labels.len() };
        Batch {
            images: &self.images[range.start * len..range.end * len],
            labels: &self.labels[range.clone()],
            keys: &self.keys[range],
            shard,
        }
    }

    fn engine(&self, leaves: usize) -> Box<dyn Engine> {
        let options = Options { leaves, ..Options::training(self.labels.len(), 2) };
        let mut engine = open(Device::Cpu, self.network.clone(), &options).unwrap();
        engine.load(&lively_parameters(&self.network, 1)).unwrap();
        engine
    }
}

/// The gradients of some shards, each computed by an engine of its own.
fn gradients(
    images: &Images,
    leaves: usize,
    shards: &[std::ops::Range<usize>],
) -> Vec<(StepOutcome, Vec<Tensor>)> {
    let compute = |range: &std::ops::Range<usize>| {
        let mut engine = images.engine(leaves);
        let outcome = engine.forward_backward(&images.shard(range.clone()), &mut |_| Ok(())).unwrap();
        (outcome, engine.gradients().unwrap())
    };
    shards.iter().map(compute).collect()
}

/// The gradients of the whole batch, computed by one engine.
fn whole_gradients(images: &Images, leaves: usize) -> (StepOutcome, Vec<Tensor>) {
    let all = 0..images.labels.len();
    gradients(images, leaves, std::slice::from_ref(&all)).remove(0)
}

#[test]
fn gradients_of_shards_add_up_to_the_gradient_of_the_whole() {
    let images = Images::new(&every_layer(), 13);
    let whole = whole_gradients(&images, 1);
    let shards = gradients(&images, 1, &[0..5, 5..12, 12..13]);
    let loss: f64 = shards.iter().map(|(outcome, _)| outcome.loss).sum();
    assert!((loss - whole.0.loss).abs() < 1e-6 * whole.0.loss, "{loss}, {}", whole.0.loss);
    assert_eq!(shards.iter().map(|(outcome, _)| outcome.correct).sum::<usize>(), whole.0.correct);
    for (i, tensor) in whole.1.iter().enumerate() {
        let sum = |at: usize| shards.iter().map(|(_, shard)| f64::from(shard[i].data[at])).sum::<f64>();
        let expected: Vec<f64> = tensor.data.iter().map(|&value| f64::from(value)).collect();
        let difference = relative_rms((0..expected.len()).map(sum).collect::<Vec<_>>(), expected);
        assert!(difference < 1e-5, "{} differs by {difference:e}", tensor.name);
    }
}

/// The sum of leaves computed by one engine has the bits of the sum of leaves computed by several.
#[test]
fn sums_in_leaves_do_not_depend_on_the_number_of_engines() {
    for recipe in [every_layer(), Recipe::load("small").unwrap()] {
        for (n, leaves) in [(22, 2), (23, 2), (23, 4)] {
            let images = Images::new(&recipe, n);
            let whole = whole_gradients(&images, leaves).1;
            let start = |leaf: usize| leaf * n / leaves;
            let each: Vec<_> = (0..leaves).map(|leaf| start(leaf)..start(leaf + 1)).collect();
            let [halves, quarters] = [vec![0..n / 2, n / 2..n], each].map(|shards| {
                let shards = gradients(&images, leaves, &shards);
                sum_in_a_tree(&shards.into_iter().map(|(_, gradient)| gradient).collect::<Vec<_>>())
            });
            assert!(whole == halves && whole == quarters, "{} {n} images, {leaves} leaves", recipe.name);
            let one = whole_gradients(&images, 1).1;
            assert!(whole != one, "the order of the sum makes no difference: the test shows nothing");
        }
    }
}

fn sum_in_a_tree(gradients: &[Vec<Tensor>]) -> Vec<Tensor> {
    if let [gradient] = gradients {
        return gradient.clone();
    }
    let (left, right) = gradients.split_at(gradients.len() / 2);
    let (mut left, right) = (sum_in_a_tree(left), sum_in_a_tree(right));
    for (left, right) in left.iter_mut().zip(right) {
        left.data.iter_mut().zip(right.data).for_each(|(a, b)| *a += b);
    }
    left
}

/// The last batch of an epoch may have fewer images than there are leaves.
#[test]
fn leaves_without_images_change_no_bit() {
    for (n, leaves) in [(1, 2), (3, 4), (2, 8), (5, 8)] {
        let images = Images::new(&every_layer(), n);
        let (outcome, whole) = whole_gradients(&images, leaves);
        assert!(outcome.loss.is_finite());
        for ranks in [2, leaves] {
            let start = |rank: usize| rank * n / ranks;
            let shards: Vec<_> = (0..ranks).map(|rank| start(rank)..start(rank + 1)).collect();
            let parts = gradients(&images, leaves, &shards);
            let loss: f64 = parts.iter().map(|(outcome, _)| outcome.loss).sum();
            assert!((loss - outcome.loss).abs() < 1e-12);
            let sum = sum_in_a_tree(&parts.into_iter().map(|(_, gradient)| gradient).collect::<Vec<_>>());
            let bits = |tensors: &[Tensor]| -> Vec<u32> {
                tensors.iter().flat_map(|tensor| tensor.data.iter().map(|value| value.to_bits())).collect()
            };
            assert!(bits(&sum) == bits(&whole), "{n} images, {leaves} leaves, {ranks} engines");
        }
    }
}

#[test]
fn a_shard_without_images_has_gradients_of_zero() {
    let images = Images::new(&every_layer(), 8);
    for leaves in [1, 4] {
        let mut engine = images.engine(leaves);
        engine.forward_backward(&images.shard(0..8), &mut |_| Ok(())).unwrap();
        let mut layers = Vec::new();
        let mut on_gradient = |gradient: LayerGradient<'_>| {
            let zeros = |values: &[f32]| values.iter().all(|value| value.to_bits() == 0);
            assert!(zeros(gradient.weights) && zeros(gradient.biases));
            layers.push(gradient.layer);
            Ok(())
        };
        let outcome = engine.forward_backward(&images.shard(3..3), &mut on_gradient).unwrap();
        assert_eq!(outcome, StepOutcome { loss: 0.0, correct: 0 });
        let learning = images.network.layers.iter().filter(|layer| layer.weights().is_some()).count();
        assert_eq!(layers.len(), learning);
        assert_eq!(engine.non_finite().unwrap(), None);
        assert!(engine.health().unwrap().iter().all(|layer| layer.gradient == 0.0));
        // Momentum and weight decay act without images too.
        engine.apply(&UPDATE).unwrap();
        let before = engine.parameters().unwrap();
        engine.step(&images.shard(3..3), &UPDATE).unwrap();
        assert!(engine.parameters().unwrap() != before && engine.non_finite().unwrap().is_none());
    }
}

/// A step in one call, in two calls and in micro-batches has the same bits, also with leaves.
#[test]
fn steps_with_leaves_are_the_same_in_one_call_and_in_two() {
    let images = Images::new(&every_layer(), 40);
    let run = |micro_batch: Option<usize>, leaves: usize, in_one: bool| {
        let options = Options { mode: Mode::Training, micro_batch, leaves, ..Options::training(40, 2) };
        let mut engine = open(Device::Cpu, images.network.clone(), &options).unwrap();
        engine.load(&lively_parameters(&images.network, 1)).unwrap();
        for n in [40, 31] {
            let batch = Batch { shard: Shard::whole(n), ..images.shard(0..n) };
            if in_one {
                engine.step(&batch, &UPDATE).unwrap();
            } else {
                engine.forward_backward(&batch, &mut |_| Ok(())).unwrap();
                engine.apply(&UPDATE).unwrap();
            }
        }
        (engine.parameters().unwrap(), engine.velocities().unwrap())
    };
    let two = run(None, 2, true);
    assert!(two == run(None, 2, false) && two == run(Some(9), 2, true) && two == run(Some(18), 2, false));
    assert!(two != run(None, 1, true));
}

/// What the receiver writes into a gradient is what is applied: two engines that exchange their shards' gradients make the
/// step of one engine.
#[test]
fn gradients_reduced_in_place_are_applied() {
    let images = Images::new(&every_layer(), 22);
    let mut whole = images.engine(2);
    whole.forward_backward(&images.shard(0..22), &mut |_| Ok(())).unwrap();
    whole.apply(&UPDATE).unwrap();

    let (mut first, mut second) = (images.engine(2), images.engine(2));
    let mut sent: Vec<(usize, Vec<f32>, Vec<f32>)> = Vec::new();
    let mut send = |gradient: LayerGradient<'_>| {
        sent.push((gradient.layer, gradient.weights.to_vec(), gradient.biases.to_vec()));
        Ok(())
    };
    second.forward_backward(&images.shard(11..22), &mut send).unwrap();
    let mut received = sent.into_iter();
    let mut reduce = |gradient: LayerGradient<'_>| {
        let (layer, weights, biases) = received.next().expect("a gradient for each layer");
        assert_eq!(layer, gradient.layer);
        gradient.weights.iter_mut().zip(weights).for_each(|(sum, value)| *sum += value);
        gradient.biases.iter_mut().zip(biases).for_each(|(sum, value)| *sum += value);
        Ok(())
    };
    first.forward_backward(&images.shard(0..11), &mut reduce).unwrap();
    first.apply(&UPDATE).unwrap();
    assert!(first.parameters().unwrap() == whole.parameters().unwrap());
}

/// The memory of gradients outlives the call that hands it out: another thread doubles them while the pass continues.
#[test]
fn gradients_are_reduced_by_another_thread() {
    let images = Images::new(&every_layer(), 8);
    let mut whole = images.engine(2);
    whole.forward_backward(&images.shard(0..8), &mut |_| Ok(())).unwrap();
    let mut engine = images.engine(2);
    let work = engine.as_mut();
    std::thread::scope(|scope| {
        let (to_reduce, gradients) = std::sync::mpsc::channel::<LayerGradient<'_>>();
        scope.spawn(move || {
            for gradient in gradients {
                gradient.weights.iter_mut().for_each(|value| *value *= 2.0);
            }
        });
        let mut send = move |gradient| {
            to_reduce.send(gradient).map_err(|_| alexnet::Error::usage("the reducing thread ended"))
        };
        work.forward_backward(&images.shard(0..8), &mut send).unwrap();
    });
    for (once, twice) in whole.gradients().unwrap().iter().zip(engine.gradients().unwrap()) {
        let factor = if once.name.ends_with("weight") { 2.0 } else { 1.0 };
        assert!(once.data.iter().zip(&twice.data).all(|(a, b)| factor * a == *b), "{}", once.name);
    }
}

#[test]
fn a_failed_exchange_fails_the_step() {
    let images = Images::new(&every_layer(), 4);
    let mut fail = |_: LayerGradient<'_>| Err(alexnet::Error::usage("connection lost"));
    let error = images.engine(1).forward_backward(&images.shard(0..4), &mut fail).unwrap_err();
    assert_eq!(error.message, "connection lost");
}

#[test]
fn shards_that_do_not_fit_are_rejected() {
    let images = Images::new(&every_layer(), 8);
    let outside = Batch { shard: Shard { first: 2, global: 8 }, ..images.shard(0..8) };
    assert!(images.engine(1).forward_backward(&outside, &mut |_| Ok(())).is_err());
    for range in [0..3, 2..6, 0..6] {
        let result = images.engine(4).forward_backward(&images.shard(range.clone()), &mut |_| Ok(()));
        assert!(result.is_err(), "{range:?}");
    }
    let options = Options { leaves: 3, ..Options::training(8, 1) };
    assert!(open(Device::Cpu, images.network.clone(), &options).is_err());
}
