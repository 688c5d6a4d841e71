//! A network divided among ranks computes what one engine computes.

use crate::support;

use alexnet::engine::{Options, Tensor};
use alexnet::net::{Network, Recipe};
use alexnet::parallel::traffic::Payload;
use alexnet::parallel::{Grid, NetworkSplit, Scheme};
use support::ranks::{Images, Rank, UPDATE, assert_close, join, on_ranks, train, whole_engine};
use support::{every_layer, lively_parameters};

/// Logits, loss and gradients of one engine and of `columns` times `groups`.
fn compare(recipe: &Recipe, classes: usize, n: usize, columns: usize, groups: usize) {
    let images = Images::new(recipe, classes, n);
    let options = Options { leaves: groups, ..images.options() };
    let mut whole = whole_engine(&images, &options);
    let logits = whole.forward(&images.images).unwrap().to_vec();
    let loss = whole.forward_backward(&images.shard(0, 1), &mut |_| Ok(())).unwrap().loss;
    let gradients = whole.gradients().unwrap();

    let ranks = on_ranks(columns * groups, |transport| {
        let mut rank = Rank::open(transport, Scheme::Columns { columns }, &images.network, &options);
        assert_close(rank.engine.forward(&images.images).unwrap(), &logits, 1e-5, "the logits");
        let found = rank.gradients(&images);
        assert!((found - loss).abs() < 1e-5 * loss, "loss {found}, expected {loss}");
        (rank.split, rank.engine.gradients().unwrap())
    });
    for (found, expected) in join(&ranks).iter().zip(&gradients) {
        assert_eq!((&found.name, &found.shape), (&expected.name, &expected.shape));
        assert_close(&found.data, &expected.data, 5e-5, &format!("{} of {}", found.name, recipe.name));
    }
}

/// The recipe with as many groups of normalization as columns.
fn in_columns(recipe: &str, columns: usize) -> Recipe {
    let mut recipe = Recipe::load(recipe).unwrap();
    let groups = columns.to_string();
    recipe.set_all([("layer.norm1.groups", groups.as_str()), ("layer.norm2.groups", &groups)]).unwrap();
    recipe
}

#[test]
fn columns_compute_what_one_engine_computes() {
    compare(&Recipe::load("small").unwrap(), 10, 6, 2, 1);
    compare(&in_columns("small", 4), 11, 6, 4, 1);
    compare(&Recipe::load("cifar-18pct").unwrap(), 10, 5, 2, 1);
    compare(&Recipe::load("cifar-18pct").unwrap(), 10, 5, 4, 1);
    compare(&every_layer_in_columns(), 5, 5, 2, 1);
}

#[test]
fn columns_and_groups_compute_what_one_engine_computes() {
    compare(&Recipe::load("small").unwrap(), 10, 7, 2, 2);
}

#[test]
fn the_columns_of_the_paper_compute_what_one_engine_computes() {
    compare(&Recipe::load("paper").unwrap(), 1000, 2, 2, 1);
}

/// The engine's test network, with locally connected layers, dropout in maps, and normalization in two groups.
fn every_layer_in_columns() -> Recipe {
    let mut recipe = every_layer();
    let norms: Vec<String> = Network::new(&recipe, 5)
        .unwrap()
        .layers
        .iter()
        .filter(|layer| layer.kind() == "lrn")
        .map(|layer| format!("layer.{}.groups", layer.name))
        .collect();
    recipe.set_all(norms.iter().map(|key| (key.as_str(), "2"))).unwrap();
    recipe
}

#[test]
fn training_in_columns_has_the_losses_of_one_engine() {
    for (recipe, columns, groups) in [("small", 2, 1), ("small", 2, 2), ("cifar-18pct", 4, 1)] {
        let images = Images::new(&Recipe::load(recipe).unwrap(), 10, 8);
        let options = Options { leaves: groups, ..images.options() };
        let mut whole = whole_engine(&images, &options);
        let expected: Vec<f64> =
            (0..20).map(|_| whole.step(&images.shard(0, 1), &UPDATE).unwrap().loss).collect();
        let ranks = on_ranks(columns * groups, |transport| {
            let mut rank = Rank::open(transport, Scheme::Columns { columns }, &images.network, &options);
            train(&mut rank, &images, 20)
        });
        for losses in ranks {
            for (step, (loss, expected)) in losses.iter().zip(&expected).enumerate() {
                assert!((loss - expected).abs() < 1e-5, "{recipe}, step {step}: {loss}, expected {expected}");
            }
        }
    }
}

#[test]
fn micro_batches_change_no_bit_of_columns() {
    let images = Images::new(&Recipe::load("small").unwrap(), 10, 20);
    let run = |micro_batch: Option<usize>| {
        let options = Options { micro_batch, ..images.options() };
        on_ranks(2, |transport| {
            let mut rank = Rank::open(transport, Scheme::Columns { columns: 2 }, &images.network, &options);
            let losses = train(&mut rank, &images, 2);
            let loss = rank.engine.step(&images.shard(0, 1), &UPDATE).unwrap().loss;
            let logits = rank.engine.forward(&images.images).unwrap().to_vec();
            (losses, loss, logits, rank.engine.parameters().unwrap())
        })
    };
    assert!(run(None) == run(Some(9)));
}

/// The bytes counted are those of the formula.
#[test]
fn the_traffic_of_columns_is_known() {
    for (recipe, columns, n) in [("small", 2, 6), ("cifar-18pct", 4, 3), ("small", 1, 2)] {
        let images = Images::new(&Recipe::load(recipe).unwrap(), 11, n);
        let ranks = on_ranks(columns, |transport| {
            let options = images.options();
            let mut rank = Rank::open(transport, Scheme::Columns { columns }, &images.network, &options);
            rank.engine.forward(&images.images).unwrap();
            let forward = rank.traffic.sent(Payload::Activations);
            assert_eq!(forward, rank.split.forward_bytes(n, n), "{recipe}");
            rank.gradients(&images);
            let step = rank.traffic.sent(Payload::Activations) - forward;
            assert_eq!(step, rank.split.step_bytes(n, n), "{recipe}");
            step
        });
        assert_eq!(ranks.iter().sum::<u64>() > 0, columns > 1);
    }
}

/// The fully connected layers of the paper's network exchange 2 * 4 * (9216 + 4096 + 4096) bytes per image, half of them from
/// each column; conv3 exchanges 256 maps of 13 x 13 in both directions, and the logits in one.
#[test]
fn the_traffic_of_the_paper_is_that_of_its_figure() {
    let network = Network::new(&Recipe::load("paper").unwrap(), 1000).unwrap();
    for rank in 0..2 {
        let grid = Grid::new(Scheme::Columns { columns: 2 }, rank, 2).unwrap();
        let split = NetworkSplit::new(&network, grid).unwrap();
        let (fc, conv3, logits) = (2 * (9216 + 4096 + 4096), 2 * 256 * 13 * 13, 1000);
        assert_eq!(split.step_bytes(128, 128), 128 * 4 * (fc + conv3 + logits) / 2);
        assert_eq!(split.forward_bytes(1, 1), 4 * (fc / 2 + conv3 / 2 + logits) / 2);
    }
}

#[test]
fn tensors_are_sliced_and_joined_by_output() {
    for recipe in [every_layer_in_columns(), Recipe::load("small").unwrap()] {
        let network = Network::new(&recipe, 5).unwrap();
        let split =
            |rank| NetworkSplit::new(&network, Grid::new(Scheme::Columns { columns: 2 }, rank, 2).unwrap());
        let splits = [split(0).unwrap(), split(1).unwrap()];
        for tensor in lively_parameters(&network, 3) {
            let parts: Vec<Tensor> = splits.iter().map(|split| split.slice(&tensor).unwrap()).collect();
            assert!(parts[0] != parts[1]);
            assert_eq!(splits[0].join(&parts).unwrap(), tensor);
            assert!(splits[0].join(&parts[..1]).is_err());
            let wrong = Tensor { shape: vec![1], data: vec![0.0], ..tensor };
            assert!(splits[0].slice(&wrong).is_err());
        }
        assert!(splits[0].slice(&Tensor { name: "x.weight".into(), shape: vec![], data: vec![] }).is_err());
    }
}

#[test]
fn layers_that_cannot_be_divided_are_named() {
    let error = |recipe: &Recipe, classes: usize, columns: usize| {
        let network = Network::new(recipe, classes).unwrap();
        let grid = Grid::new(Scheme::Columns { columns }, 0, columns).unwrap();
        let error = NetworkSplit::new(&network, grid).unwrap_err();
        format!("{} ({})", error.message, error.help.unwrap_or_default())
    };
    let paper = Recipe::load("paper").unwrap();
    let text = error(&paper, 1000, 4);
    assert!(text.contains("layer norm1") && text.contains("--set layer.norm1.groups=4"), "{text}");
    let text = error(&paper, 1000, 5);
    assert!(text.contains("layer conv1: 96 maps in 5 columns") && text.contains("maps=100"), "{text}");
    let text = error(&Recipe::load("cifar-18pct").unwrap(), 3, 4);
    assert!(text.contains("layer fc10: 3 units among 4 processes"), "{text}");
}
