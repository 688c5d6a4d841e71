//! Training runs on several ranks, which are threads here: the same results as with one process.

use crate::images;
use crate::support;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, Mutex};

use alexnet::data::Dataset;
use alexnet::model::Model;
use alexnet::parallel::threads::ThreadTransport;
use alexnet::parallel::{ExchangePrecision, FcExchange, Scheme, Transport};
use alexnet::train::{Config, Event, ImageSource, Report, Requests, RunFolder, Session, follow};
use alexnet::{Error, Result};

/// Images of four classes: 25 to train on and 7 to validate on.
fn photos(folder: &Path) {
    for (split, images) in [("train", 25), ("val", 7)] {
        for i in 0..images {
            let class = ["cat", "dog", "fox", "owl"][i % 4];
            let salt = i + 100 * images;
            images::put(folder, &format!("{split}/{class}/{i}.png"), &images::png(32, 32, salt));
        }
    }
}

/// A training run of 8 epochs in batches of 8, the last of an epoch of one image, which most ranks have no part of.
fn config(photos: &Path, run: &Path) -> Config {
    let mut recipe = support::every_layer();
    for (key, value) in [("optimizer.batch", "8"), ("schedule.epochs", "8")] {
        recipe.set(key, value).unwrap();
    }
    let dataset = Dataset::open(photos).unwrap();
    Config {
        run: RunFolder::New(Some(run.to_path_buf())),
        source: ImageSource::Path(photos.to_path_buf()),
        requests: Requests { threads: Some(2), workers: Some(1), ..Requests::default() },
        ..Config::new(recipe, dataset)
    }
}

/// Trains on `ranks` threads; `adapt` changes the configuration of a rank.
fn train(
    ranks: usize,
    config: &Config,
    adapt: impl Fn(usize, &mut Config) + Sync,
) -> Vec<Result<Option<Report>>> {
    train_observed(ranks, config, adapt, &|_| ControlFlow::Continue(()))
}

/// What the root does with an event.
type OnEvent<'a> = dyn Fn(&Event<'_>) -> ControlFlow<()> + Send + Sync + 'a;

/// [`train`] with an observer of the root.
fn train_observed(
    ranks: usize,
    config: &Config,
    adapt: impl Fn(usize, &mut Config) + Sync,
    on_event: &OnEvent<'_>,
) -> Vec<Result<Option<Report>>> {
    std::thread::scope(|scope| {
        let ranks: Vec<_> = ThreadTransport::job(ranks)
            .into_iter()
            .map(|transport| {
                let adapt = &adapt;
                scope.spawn(move || {
                    let transport: Arc<dyn Transport> = Arc::new(transport);
                    let rank = transport.rank();
                    let mut config = Config { transport: Arc::clone(&transport), ..config.clone() };
                    adapt(rank, &mut config);
                    let result = match rank {
                        0 => {
                            Session::new(config).observe(|event: &Event<'_>| on_event(event)).run().map(Some)
                        }
                        _ => follow(config).map(|()| None),
                    };
                    result.inspect_err(|error| transport.abort(error))
                })
            })
            .collect();
        ranks.into_iter().map(|rank| rank.join().expect("no rank panics")).collect()
    })
}

/// The report of a training run that ends well on every rank.
fn report(results: Vec<Result<Option<Report>>>) -> Report {
    let mut reports = results.into_iter().map(|result| result.unwrap_or_else(|error| panic!("{error}")));
    let report = reports.next().unwrap().expect("the root reports");
    assert!(reports.all(|report| report.is_none()));
    report
}

/// The values of the last model, and the lines of metrics without times.
fn trained(run: &Path) -> (Vec<(String, Vec<u32>)>, Vec<String>) {
    let model = Model::load(run.join("last.safetensors")).unwrap();
    let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect();
    let tensors = model.parameters.iter().map(|tensor| (tensor.name.clone(), bits(&tensor.data))).collect();
    let metrics = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let lines = metrics.lines().map(|line| {
        let mut line: serde_json::Map<String, serde_json::Value> = serde_json::from_str(line).unwrap();
        let timed = ["seconds", "images_per_second", "pictures_per_second", "waiting", "time"];
        line.retain(|key, _| !timed.contains(&key.as_str()));
        serde_json::to_string(&line).unwrap()
    });
    (tensors, lines.collect())
}

#[test]
fn ranks_that_share_batches_train_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let (photos_folder, run) = (folder.path().join("photos"), |name: &str| folder.path().join(name));
    photos(&photos_folder);
    let alone = |leaves: usize| {
        let name = format!("alone-{leaves}");
        let mut config = config(&photos_folder, &run(&name));
        config.requests.leaves = Some(leaves);
        report(train(1, &config, |_, _| ()));
        trained(&run(&name))
    };
    let (one, four) = (alone(1), alone(4));
    assert_ne!(one.0, four.0, "leaves change the order of sums");
    assert_eq!(one.1.len(), four.1.len());
    for (ranks, micro_batch) in [(2, None), (4, None), (2, Some(9))] {
        let name = format!("ranks-{ranks}-{micro_batch:?}");
        let mut config = config(&photos_folder, &run(&name));
        (config.requests.leaves, config.requests.micro_batch) = (Some(4), micro_batch);
        let report = report(train(ranks, &config, |_, _| ()));
        let parameters = Model::load(run(&name).join("last.safetensors")).unwrap().parameters;
        let values: usize = parameters.iter().map(|tensor| tensor.data.len()).sum();
        let expected = 2 * (ranks - 1) * values * size_of::<f32>() * report.steps / ranks;
        let sent = report.sent.gradients as usize;
        // Parts of an odd number of values differ by one.
        assert!(sent.abs_diff(expected) <= 8 * ranks * parameters.len() * report.steps, "{sent}, {expected}");
        assert_eq!(report.sent.activations, 0);
        let found = trained(&run(&name));
        assert_eq!(found.1, four.1, "{ranks} ranks: metrics");
        assert!(found.0 == four.0, "{ranks} ranks: values");
    }
}

/// The settings of an update reach all ranks, and norms are those of whole layers: of reduced gradients.
#[test]
fn lars_trains_the_same_bits_on_ranks_that_share_batches() {
    let folder = tempfile::tempdir().unwrap();
    let photos_folder = folder.path().join("photos");
    photos(&photos_folder);
    let start = |name: &str| {
        let mut config = config(&photos_folder, &folder.path().join(name));
        let settings = [
            ("optimizer.algorithm", "lars"),
            ("optimizer.trust", "0.02"),
            ("optimizer.rate_for_batch", "4"),
            ("schedule.warm_up_epochs", "2"),
        ];
        config.recipe.set_all(settings).unwrap();
        config.requests.leaves = Some(2);
        config
    };
    for (name, ranks) in [("alone", 1), ("pair", 2)] {
        report(train(ranks, &start(name), |_, _| ()));
    }
    assert!(trained(&folder.path().join("alone")) == trained(&folder.path().join("pair")));
    let mut divided = start("divided");
    (divided.requests.scheme, divided.requests.leaves) = (Some(Scheme::Columns { columns: 2 }), None);
    divided.recipe.set("layer.norm3.groups", "2").unwrap();
    for result in train(2, &divided, |_, _| ()) {
        assert!(result.unwrap_err().message.contains("lars"));
    }
}

/// The loss of each step of a training run.
fn losses(ranks: usize, config: &Config) -> Vec<f64> {
    let losses = Mutex::new(Vec::new());
    let observer = |event: &Event<'_>| {
        if let Event::Step(step) = event {
            losses.lock().unwrap().push(step.loss);
        }
        ControlFlow::Continue(())
    };
    report(train_observed(ranks, config, |_, _| (), &observer));
    losses.into_inner().unwrap()
}

#[test]
fn divided_networks_train_as_one() {
    let folder = tempfile::tempdir().unwrap();
    let photos_folder = folder.path().join("photos");
    photos(&photos_folder);
    let columns = |columns| Scheme::Columns { columns };
    let hybrid = |exchange| Scheme::Hybrid { exchange };
    let cases = [
        (2, columns(2), None),
        (4, columns(2), None),
        (2, columns(2), Some(9)),
        (2, hybrid(FcExchange::Gather), None),
        (4, hybrid(FcExchange::Gather), None),
        (2, hybrid(FcExchange::Turns), None),
        (4, hybrid(FcExchange::Shares), None),
    ];
    let start = |name: &str| {
        let mut config = config(&photos_folder, &folder.path().join(name));
        // Normalization does not cross columns.
        config.recipe.set("layer.norm3.groups", "2").unwrap();
        config
    };
    let expected = losses(1, &start("alone"));
    let (_, metrics) = trained(&folder.path().join("alone"));
    for (number, (ranks, scheme, micro_batch)) in cases.into_iter().enumerate() {
        let name = format!("case-{number}");
        let mut config = start(&name);
        (config.requests.scheme, config.requests.micro_batch) = (Some(scheme), micro_batch);
        let found = losses(ranks, &config);
        assert_eq!(found.len(), expected.len());
        let close = |a: f64, b: f64| (a - b).abs() <= 1e-5 * b.abs();
        for (step, (&a, &b)) in found.iter().zip(&expected).enumerate() {
            assert!(close(a, b), "{ranks} ranks, {scheme}, step {}: {a}, expected {b}", step + 1);
        }
        // Magnitudes and validation results are those of the whole network, too.
        let (_, lines) = trained(&folder.path().join(&name));
        assert_eq!(lines.len(), metrics.len());
        for (line, expected) in lines.iter().zip(&metrics) {
            let read = |line: &str| -> BTreeMap<String, f64> { serde_json::from_str(line).unwrap() };
            let (line, expected) = (read(line), read(expected));
            assert!(line.keys().eq(expected.keys()));
            for (key, value) in expected {
                assert!(
                    (line[&key] - value).abs() <= 1e-3 * value.abs().max(1e-6),
                    "{ranks} ranks, {scheme}: {key} {} {value}",
                    line[&key]
                );
            }
        }
    }
}

/// Gradients in half precision are close, take half the bytes, and are the same on all ranks: the losses do not drift apart.
#[test]
fn gradients_travel_in_half_precision() {
    let folder = tempfile::tempdir().unwrap();
    let photos_folder = folder.path().join("photos");
    photos(&photos_folder);
    let run = |name: &str, precision| {
        let mut config = config(&photos_folder, &folder.path().join(name));
        config.requests.exchange_precision = Some(precision);
        let report = report(train(2, &config, |_, _| ()));
        (report.best.unwrap().evaluation.unwrap().loss, report.sent.gradients)
    };
    let (loss, bytes) = run("f32", ExchangePrecision::F32);
    let (half_loss, half_bytes) = run("f16", ExchangePrecision::F16);
    assert!(loss != half_loss && (half_loss - loss).abs() < 1e-3 * loss, "{half_loss}, {loss}");
    // A few bytes more, which agree on a scale.
    assert!((bytes / 2..bytes * 11 / 20).contains(&half_bytes), "{half_bytes}, {bytes}");
}

/// A training run that is stopped twice and resumed on other numbers of ranks ends with the bits of one that is not stopped.
fn resumes(scheme: Scheme, ranks: [usize; 3]) {
    let folder = tempfile::tempdir().unwrap();
    let photos_folder = folder.path().join("photos");
    photos(&photos_folder);
    let start = |name: &str, steps: Option<usize>| {
        let mut config = config(&photos_folder, &folder.path().join(name));
        config.recipe.set("layer.norm3.groups", "2").unwrap();
        (config.requests.leaves, config.requests.scheme, config.requests.steps) =
            (Some(4), Some(scheme), steps);
        config
    };
    report(train(ranks[0], &start("whole", None), |_, _| ()));
    report(train(ranks[0], &start("parts", Some(4)), |_, _| ()));
    let parts = folder.path().join("parts");
    for (ranks, steps) in [(ranks[1], Some(5)), (ranks[2], None)] {
        let mut config = start("parts", steps);
        config.run = RunFolder::Resume { folder: parts.clone(), accept_changes: false };
        report(train(ranks, &config, |_, _| ()));
    }
    assert!(trained(&parts).0 == trained(&folder.path().join("whole")).0, "{scheme}, {ranks:?} ranks");
}

#[test]
fn a_run_resumes_on_another_number_of_ranks() {
    resumes(Scheme::Data, [4, 1, 2]);
    resumes(Scheme::Columns { columns: 2 }, [4, 2, 8]);
    resumes(Scheme::Hybrid { exchange: FcExchange::Gather }, [4, 2, 4]);
}

/// A change of a configuration.
type Change<'a> = &'a (dyn Fn(&mut Config) + Sync);

/// The errors of a job, by rank; `None` for a rank that ends well.
fn errors(ranks: usize, adapt: impl Fn(usize, &mut Config) + Sync) -> Vec<Option<Error>> {
    let folder = tempfile::tempdir().unwrap();
    let photos_folder = folder.path().join("photos");
    photos(&photos_folder);
    let config = config(&photos_folder, &folder.path().join("run"));
    let results = train(ranks, &config, adapt);
    assert!(!folder.path().join("run").exists(), "nothing is written before the ranks agree");
    results.into_iter().map(Result::err).collect()
}

#[test]
fn ranks_that_differ_are_refused_and_named() {
    let other_photos = tempfile::tempdir().unwrap();
    photos(other_photos.path());
    std::fs::remove_file(other_photos.path().join("train/cat/0.png")).unwrap();
    let cases: [(&str, Change<'_>); 4] = [
        ("the seed: 0 -> 7", &|config| config.seed = 7),
        ("optimizer.rate", &|config| config.recipe.set("optimizer.rate", "0.5").unwrap()),
        ("the images", &|config| config.dataset = Dataset::open(other_photos.path()).unwrap()),
        ("the leaves: 2 -> 4", &|config| config.requests.leaves = Some(4)),
    ];
    for (expected, change) in cases {
        let errors = errors(2, |rank, config| {
            if rank == 1 {
                change(config);
            }
        });
        let error = errors[0].as_ref().expect("the root reports").to_string();
        assert!(error.contains("rank 1 differs from rank 0") && error.contains(expected), "{error}");
    }
}

#[test]
fn jobs_that_do_not_fit_are_refused() {
    let batch =
        |batch: &'static str| move |config: &mut Config| config.recipe.set("optimizer.batch", batch).unwrap();
    let leaves = |leaves: usize| move |config: &mut Config| config.requests.leaves = Some(leaves);
    let check = |ranks: usize, change: Change<'_>, expected: &str| {
        let errors = errors(ranks, |_, config| change(config));
        let error = errors[0].as_ref().expect("an error").to_string();
        assert!(error.contains(expected), "{error}");
    };
    check(4, &batch("3"), "4 processes share a batch of 3 images");
    check(3, &|_| (), "3 processes share batches, expected a power of two");
    check(2, &batch("9"), "2 processes cannot share a batch of 9 images evenly");
    check(4, &leaves(2), "2 leaves for 4 processes");
    check(2, &leaves(6), "6 leaves for 2 processes");
    let hybrid = |config: &mut Config| {
        config.requests.scheme = Some(Scheme::Hybrid { exchange: FcExchange::Gather });
        config.requests.micro_batch = Some(9);
        config.recipe.set("optimizer.batch", "32").unwrap();
    };
    check(2, &hybrid, "a micro-batch of 9 images in a hybrid job");
}

#[test]
fn a_lost_rank_ends_the_job() {
    let folder = tempfile::tempdir().unwrap();
    let photos_folder = folder.path().join("photos");
    photos(&photos_folder);
    let config = config(&photos_folder, &folder.path().join("run"));
    // Rank 1 has other images than it says: one of them cannot be decoded any more.
    let broken = folder.path().join("broken");
    photos(&broken);
    let results = train(2, &config, |rank, config| {
        if rank == 1 {
            config.dataset = Dataset::open(&broken).unwrap();
            for i in 0..25 {
                let class = ["cat", "dog", "fox", "owl"][i % 4];
                std::fs::write(broken.join(format!("train/{class}/{i}.png")), b"").unwrap();
            }
        }
    });
    let messages: Vec<String> =
        results.into_iter().map(|result| result.expect_err("every rank fails").to_string()).collect();
    assert!(messages[1].contains("it could be decoded when the training started"), "{}", messages[1]);
    assert!(messages[0].contains("rank 1 ended the job"), "{}", messages[0]);
}
