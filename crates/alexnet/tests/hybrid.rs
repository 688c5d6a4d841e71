//! Convolutions for own images, and fully connected layers divided among ranks, compute what one engine computes.

use crate::support;

use alexnet::engine::{Device, Options, Tensor};
use alexnet::net::{Network, Recipe};
use alexnet::parallel::traffic::Payload;
use alexnet::parallel::{FcExchange, Grid, NetworkSplit, Scheme};
use support::every_layer;
use support::ranks::{Images, Rank, UPDATE, assert_close, join, on_ranks, train, whole_engine};

const EXCHANGES: [FcExchange; 3] = [FcExchange::Gather, FcExchange::Turns, FcExchange::Shares];

fn options(images: &Images, leaves: usize) -> Options {
    Options { leaves, ..images.options() }
}

/// Logits, loss and gradients of one engine and of several ranks.
fn compare(recipe: &Recipe, classes: usize, n: usize, ranks: usize, exchange: FcExchange) {
    let images = Images::new(recipe, classes, n);
    let options = options(&images, ranks);
    let mut whole = whole_engine(&images, &options);
    let logits = whole.forward(&images.images).unwrap().to_vec();
    let loss = whole.forward_backward(&images.shard(0, 1), &mut |_| Ok(())).unwrap().loss;
    let gradients = whole.gradients().unwrap();

    let ranks = on_ranks(ranks, |transport| {
        let mut rank = Rank::open(transport, Scheme::Hybrid { exchange }, &images.network, &options);
        let (shard, shards) = (rank.split.grid().shard(), rank.split.grid().shards());
        let own = rank.engine.forward(images.shard(shard, shards).images).unwrap();
        let first = shard * n / shards * classes;
        if !own.is_empty() {
            assert_close(own, &logits[first..first + own.len()], 1e-5, "the logits");
        }
        let found = rank.gradients(&images);
        assert!((found - loss).abs() < 1e-5 * loss, "loss {found}, expected {loss}");
        assert_eq!(rank.engine.non_finite().unwrap(), None);
        (rank.split, rank.engine.gradients().unwrap())
    });
    for (found, expected) in join(&ranks).iter().zip(&gradients) {
        assert_eq!((&found.name, &found.shape), (&expected.name, &expected.shape));
        assert_close(&found.data, &expected.data, 5e-5, &format!("{} of {}", found.name, recipe.name));
    }
}

#[test]
fn ranks_compute_what_one_engine_computes() {
    for exchange in EXCHANGES {
        compare(&Recipe::load("small").unwrap(), 10, 8, 2, exchange);
        compare(&Recipe::load("small").unwrap(), 11, 7, 4, exchange);
        compare(&every_layer(), 5, 6, 2, exchange);
        compare(&Recipe::load("cifar-18pct").unwrap(), 10, 5, 2, exchange);
    }
}

#[test]
fn ranks_without_images_take_part() {
    for exchange in EXCHANGES {
        compare(&Recipe::load("small").unwrap(), 10, 3, 4, exchange);
        compare(&Recipe::load("small").unwrap(), 10, 1, 2, exchange);
    }
}

#[test]
fn the_paper_computes_what_one_engine_computes() {
    compare(&Recipe::load("paper").unwrap(), 1000, 2, 2, FcExchange::Gather);
}

/// With the same leaves, the number of ranks changes no bit.
#[test]
fn two_and_four_ranks_have_the_same_bits() {
    for (recipe, n) in
        [(Recipe::load("small").unwrap(), 22), (Recipe::load("small").unwrap(), 3), (every_layer(), 13)]
    {
        let images = Images::new(&recipe, 5, n);
        let run = |ranks: usize, leaves: usize| {
            let options = options(&images, leaves);
            let scheme = Scheme::Hybrid { exchange: FcExchange::Gather };
            let results = on_ranks(ranks, |transport| {
                let mut rank = Rank::open(transport, scheme, &images.network, &options);
                train(&mut rank, &images, 3);
                let engine = rank.engine;
                (rank.split, [engine.parameters().unwrap(), engine.velocities().unwrap()].concat())
            });
            join(&results)
        };
        let two = run(2, 4);
        assert!(two == run(4, 4), "{n} images of {}", recipe.name);
        assert!(
            n < 4 || two != run(2, 2),
            "{} {n}: the order of sums makes no difference: the test shows nothing",
            recipe.name
        );
    }
}

#[test]
fn training_has_the_losses_of_one_engine() {
    let images = Images::new(&Recipe::load("small").unwrap(), 10, 8);
    let mut whole = whole_engine(&images, &options(&images, 2));
    let expected: Vec<f64> =
        (0..20).map(|_| whole.step(&images.shard(0, 1), &UPDATE).unwrap().loss).collect();
    for (ranks, exchange) in
        EXCHANGES.map(|exchange| (2, exchange)).into_iter().chain([(4, FcExchange::Gather)])
    {
        let losses = on_ranks(ranks, |transport| {
            let options = options(&images, ranks);
            let mut rank = Rank::open(transport, Scheme::Hybrid { exchange }, &images.network, &options);
            train(&mut rank, &images, 20)
        });
        for losses in losses {
            for (step, (loss, expected)) in losses.iter().zip(&expected).enumerate() {
                let message = format!("{exchange}, {ranks} ranks, step {step}: {loss}, expected {expected}");
                assert!((loss - expected).abs() < 1e-5, "{message}");
            }
        }
    }
}

/// The bytes counted are those of the formula.
#[test]
fn the_traffic_is_known() {
    for exchange in EXCHANGES {
        for (ranks, n) in [(2, 6), (4, 7)] {
            let images = Images::new(&Recipe::load("small").unwrap(), 11, n);
            on_ranks(ranks, |transport| {
                let options = options(&images, ranks);
                let mut rank = Rank::open(transport, Scheme::Hybrid { exchange }, &images.network, &options);
                let shard = images.shard(rank.split.grid().shard(), ranks);
                let own = shard.labels.len();
                rank.engine.forward(shard.images).unwrap();
                let forward = rank.traffic.sent(Payload::Activations);
                assert_eq!(forward, rank.split.forward_bytes(own, n), "{exchange}");
                rank.gradients(&images);
                let step = rank.traffic.sent(Payload::Activations) - forward;
                assert_eq!(step, rank.split.step_bytes(own, n), "{exchange}");
            });
        }
    }
}

/// 2 * 4 * (9216 + 4096 + 4096) bytes per image and the logits, half of them from each of two ranks.
#[test]
fn the_traffic_of_the_paper_is_that_of_its_fully_connected_layers() {
    let network = Network::new(&Recipe::load("paper").unwrap(), 1000).unwrap();
    let scheme = Scheme::Hybrid { exchange: FcExchange::Gather };
    for rank in 0..2 {
        let split = NetworkSplit::new(&network, Grid::new(scheme, rank, 2).unwrap()).unwrap();
        assert_eq!(split.step_bytes(64, 128), 128 * 4 * (2 * (9216 + 4096 + 4096) + 1000) / 2);
    }
}

#[test]
fn micro_batches_are_refused() {
    let images = Images::new(&Recipe::load("small").unwrap(), 10, 20);
    let errors = on_ranks(2, |transport| {
        let transport: std::sync::Arc<dyn alexnet::parallel::Transport> = std::sync::Arc::new(transport);
        let traffic = std::sync::Arc::default();
        let scheme = Scheme::Hybrid { exchange: FcExchange::Gather };
        let grid = Grid::new(scheme, transport.rank(), 2).unwrap();
        let options = Options { micro_batch: Some(9), ..options(&images, 2) };
        alexnet::parallel::open(Device::Cpu, &images.network, grid, (&transport, &traffic), &options)
            .unwrap_err()
    });
    assert!(errors.iter().all(|error| error.message.contains("a micro-batch of 9 images in a hybrid job")));
}

/// Frozen layers, momentum and single tensors are those of the layer, whichever engine has it.
#[test]
fn layers_keep_their_names_and_positions() {
    let images = Images::new(&Recipe::load("small").unwrap(), 10, 4);
    on_ranks(2, |transport| {
        let scheme = Scheme::Hybrid { exchange: FcExchange::Gather };
        let mut rank = Rank::open(transport, scheme, &images.network, &options(&images, 2));
        let before = rank.engine.parameters().unwrap();
        for (position, layer) in images.network.layers.iter().enumerate() {
            if ["conv2", "fc5"].contains(&layer.name.as_str()) {
                rank.engine.freeze(position, true).unwrap();
            }
        }
        train(&mut rank, &images, 1);
        let frozen = |tensor: &Tensor| tensor.name.starts_with("conv2") || tensor.name.starts_with("fc5");
        for (before, after) in before.iter().zip(rank.engine.parameters().unwrap()) {
            assert_eq!(*before == after, frozen(&after), "{}", after.name);
        }
        let tensor = Tensor { data: vec![0.5; before[0].data.len()], ..before[0].clone() };
        rank.engine.set_tensor(alexnet::engine::TensorKind::Parameters, &tensor).unwrap();
        assert_eq!(rank.engine.parameters().unwrap()[0], tensor);
        let velocities = rank.engine.velocities().unwrap();
        rank.engine.load_velocities(&velocities).unwrap();
        assert!(rank.engine.load(&before[1..]).is_err());
        rank.engine.load(&before).unwrap();
        assert_eq!(rank.engine.parameters().unwrap(), before);
        let names: Vec<String> = rank.engine.health().unwrap().into_iter().map(|layer| layer.layer).collect();
        assert_eq!(names, ["conv1", "conv2", "conv3", "fc4", "fc5", "fc6"]);
        assert!(
            rank.engine
                .timings()
                .entries()
                .iter()
                .any(|entry| entry.layer + 1 == images.network.layers.len())
        );
    });
}
