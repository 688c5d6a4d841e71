//! The engine against PyTorch: forward pass, every gradient, ten steps of the paper's update. `tests/golden/` has the numbers, the
//! script that generated them, and its versions.

use crate::support;

use std::collections::HashMap;

use alexnet::engine::reference::{self, Weights};
use alexnet::engine::{Batch, Device, Engine, Options, Tensor, Update, open};
use alexnet::net::{Network, Recipe};
use safetensors::{Dtype, SafeTensors};
use support::relative_rms;

/// Largest relative RMS difference from PyTorch's double precision.
const TOLERANCE: f64 = 1e-5;

struct Golden(HashMap<String, Tensor>);

impl Golden {
    fn load() -> Self {
        let bytes = include_bytes!("golden/narrow-paper.safetensors");
        let file = SafeTensors::deserialize(bytes).expect("the golden file is a safetensors file");
        let tensor = |(name, view): (String, safetensors::tensor::TensorView<'_>)| {
            let bytes = view.data();
            let data = match view.dtype() {
                Dtype::F32 => bytes.as_chunks::<4>().0.iter().map(|&b| f32::from_le_bytes(b)).collect(),
                Dtype::I64 => {
                    bytes.as_chunks::<8>().0.iter().map(|&b| i64::from_le_bytes(b) as f32).collect()
                }
                other => panic!("{name}: {other:?}"),
            };
            (name.clone(), Tensor { name, shape: view.shape().to_vec(), data })
        };
        Self(file.tensors().into_iter().map(tensor).collect())
    }

    fn tensor(&self, name: &str) -> &Tensor {
        self.0.get(name).unwrap_or_else(|| panic!("no golden tensor `{name}`"))
    }

    fn values(&self, name: &str) -> Vec<f64> {
        wide(&self.tensor(name).data)
    }

    /// The images, channels last.
    fn images(&self) -> Vec<f32> {
        let Tensor { shape, data, .. } = self.tensor("images");
        let (channels, pixels) = (shape[1], shape[2] * shape[3]);
        let image = |image: &[f32]| -> Vec<f32> {
            (0..pixels).flat_map(|p| (0..channels).map(move |c| image[c * pixels + p])).collect()
        };
        data.chunks(channels * pixels).flat_map(image).collect()
    }

    fn labels(&self) -> Vec<u32> {
        self.tensor("labels").data.iter().map(|&label| label as u32).collect()
    }

    fn parameters(&self, network: &Network) -> Vec<Tensor> {
        let learning = network.layers.iter().filter(|layer| layer.weights().is_some());
        let names = learning.flat_map(|l| [l.weight_name(), l.bias_name()]);
        names.map(|name| self.tensor(&name).clone()).collect()
    }
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value)).collect()
}

fn recipe() -> Recipe {
    Recipe::parse(include_str!("golden/narrow-paper.toml"), "narrow-paper.toml").expect("the golden recipe")
}

fn engine(recipe: &Recipe, golden: &Golden) -> Box<dyn Engine> {
    let network = Network::new(recipe, 10).unwrap();
    let parameters = golden.parameters(&network);
    let mut engine = open(Device::Cpu, network, &Options::training(4, 2)).unwrap();
    engine.load(&parameters).unwrap();
    engine
}

/// The worst relative RMS difference of logits, loss and gradients, and where it is.
fn first_step_difference(recipe: &Recipe, golden: &Golden) -> (String, f64) {
    let mut engine = engine(recipe, golden);
    let (images, labels) = (golden.images(), golden.labels());
    let batch = Batch::whole(&images, &labels, &[1, 2, 3, 4]);
    let mut differences = vec![(
        "logits".to_owned(),
        relative_rms(wide(engine.forward(&images).unwrap()), golden.values("logits")),
    )];
    let outcome = engine.forward_backward(&batch, &mut |_| Ok(())).unwrap();
    differences.push(("loss".to_owned(), relative_rms([outcome.loss], golden.values("loss"))));
    for tensor in engine.gradients().unwrap() {
        let expected = golden.values(&format!("gradient.{}", tensor.name));
        differences.push((tensor.name, relative_rms(wide(&tensor.data), expected)));
    }
    differences.into_iter().max_by(|a, b| a.1.total_cmp(&b.1)).expect("there are differences")
}

#[test]
fn forward_pass_and_gradients_agree_with_pytorch() {
    let (name, difference) = first_step_difference(&recipe(), &Golden::load());
    assert!(difference < TOLERANCE, "{name} differs by {difference:e}");
}

#[test]
fn ten_steps_agree_with_pytorch() {
    let golden = Golden::load();
    let recipe = recipe();
    let mut engine = engine(&recipe, &golden);
    let (images, labels) = (golden.images(), golden.labels());
    let batch = Batch::whole(&images, &labels, &[1, 2, 3, 4]);
    let update = Update::new(&recipe.optimizer, recipe.optimizer.rate);
    let mut losses = Vec::new();
    for _ in 0..10 {
        losses.push(engine.forward_backward(&batch, &mut |_| Ok(())).unwrap().loss);
        engine.apply(&update).unwrap();
    }
    let difference = relative_rms(losses, golden.values("losses"));
    assert!(difference < TOLERANCE, "the losses differ by {difference:e}");
    for tensor in engine.parameters().unwrap() {
        let difference = relative_rms(wide(&tensor.data), golden.values(&format!("after.{}", tensor.name)));
        assert!(difference < TOLERANCE, "{} after ten steps differs by {difference:e}", tensor.name);
    }
}

#[test]
fn dropout_halves_activations_at_test_time() {
    let golden = Golden::load();
    let mut recipe = recipe();
    recipe.set("layer.drop6.rate", "0.5").unwrap();
    recipe.set("layer.drop7.rate", "0.5").unwrap();
    let logits = wide(engine(&recipe, &golden).forward(&golden.images()).unwrap());
    let difference = relative_rms(logits, golden.values("logits.dropout_at_test"));
    assert!(difference < TOLERANCE, "logits differ by {difference:e}");
}

#[test]
fn the_reference_agrees_with_pytorch_to_single_precision() {
    let golden = Golden::load();
    let network = Network::new(&recipe(), 10).unwrap();
    let weights = Weights::<f64>::from_tensors(&network, &golden.parameters(&network));
    let logits = reference::forward(&network, &weights, &wide(&golden.images()));
    let difference = relative_rms(logits, golden.values("logits"));
    assert!(difference < 1e-7, "logits differ by {difference:e}");
}

/// The tolerance must distinguish networks in which one of the paper's details is replaced by a common variant.
#[test]
fn variants_of_the_paper_are_distinguished() {
    let golden = Golden::load();
    let neighbors: [(&str, &[(&str, &str)]); 6] = [
        ("alpha divided by the window", &[("layer.norm1.alpha_over_size", "true")]),
        ("no normalization", &[("layer.norm2.alpha", "0")]),
        ("normalization across the columns", &[("layer.norm1.groups", "1")]),
        ("k of 1", &[("layer.norm1.k", "1")]),
        ("dropout's other scale", &[("layer.drop6.rate", "0.5"), ("layer.drop6.scale", "train")]),
        ("average pooling", &[("layer.pool5.kind", "avg-pool")]),
    ];
    for (what, changes) in neighbors {
        let mut other = recipe();
        for (key, value) in changes {
            other.set(key, value).unwrap();
        }
        let (_, difference) = first_step_difference(&other, &golden);
        assert!(difference > 10.0 * TOLERANCE, "{what} makes no difference: {difference:e}");
    }
}

/// Another rounding or grouping changes shapes, so that the parameters no longer fit.
#[test]
fn parameters_of_other_shapes_are_rejected() {
    let golden = Golden::load();
    let network = Network::new(&recipe(), 10).unwrap();
    let parameters = golden.parameters(&network);
    for (key, value) in [("layer.conv2.groups", "1"), ("layer.conv4.groups", "4")] {
        let mut other = recipe();
        other.set(key, value).unwrap();
        let network = Network::new(&other, 10).unwrap();
        let mut engine = open(Device::Cpu, network, &Options::inference(1, 1)).unwrap();
        assert!(engine.load(&parameters).is_err(), "{key} = {value}");
    }
    let mut down = recipe();
    down.set("layer.conv1.rounding", "down").unwrap();
    assert_ne!(Network::new(&down, 10).unwrap().layers[0].output, network.layers[0].output);
}
