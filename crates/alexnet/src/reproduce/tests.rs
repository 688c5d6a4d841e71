//! Arms and plans, without training.

use std::ops::ControlFlow;
use std::path::PathBuf;

use super::arm::Arm;
use super::arms::variants;
use super::columns::conv_weights;
use super::folder::Folder;
use super::plan::{Contrast, ExperimentPlan};
use super::record::{Record, RunEnd};
use super::trainer::{Goal, Job, Trainer, epoch_steps};
use super::{Experiment, ReproductionEvent, ReproductionSettings, Selection};
use crate::data::{Dataset, embedded};
use crate::error::Kind;
use crate::model::tests::model;
use crate::net::{Network, Recipe, Spec};
use crate::train::init::initialize;

fn recipe(name: &str) -> Recipe {
    Recipe::load(name).unwrap()
}

fn edits(arm: &Arm) -> Vec<String> {
    arm.edits.iter().map(ToString::to_string).collect()
}

fn settings(selection: Selection, name: &str, seeds: usize) -> ReproductionSettings {
    let dataset = embedded::fashion_mnist().unwrap();
    ReproductionSettings {
        seeds,
        ..ReproductionSettings::new(selection, recipe(name), dataset, PathBuf::from("unused"))
    }
}

#[test]
fn arms_are_the_recipe_with_named_edits() {
    let small = recipe("small");
    let all = |experiment| variants(experiment, &small).unwrap();
    assert_eq!(edits(&all(Experiment::Lrn)[0]), ["layer.norm1,norm2=none"]);
    assert_eq!(edits(&all(Experiment::Dropout)[0]), ["layer.drop4,drop5=none"]);
    assert_eq!(edits(&all(Experiment::Overlap)[0]), ["layer.pool1.kernel=2", "layer.pool2.kernel=2"]);
    let augment = all(Experiment::Augment);
    let names: Vec<&str> = augment.iter().map(|arm| arm.name.as_str()).collect();
    assert_eq!(names, ["no-crops", "no-flips", "no-color-noise", "no-augmentation"]);
    assert_eq!(
        edits(&augment[3]),
        ["augment.random_crop=false", "augment.flip=false", "augment.color_noise=0.0"]
    );
    let [relu, tanh] = super::arms::speed(&small).unwrap();
    assert_eq!(
        (edits(&relu), edits(&tanh)),
        (vec![], vec!["layer.relu1,relu2,relu3,relu4,relu5.kind=tanh".into()])
    );
}

/// Weights, dropout masks and the order of images are the same in both arms where the layers have the same shapes.
#[test]
fn arms_start_from_the_same_weights() {
    let weights = |recipe: &Recipe| initialize(&Network::new(recipe, 10).unwrap(), 3).unwrap();
    let small = recipe("small");
    for experiment in [Experiment::Lrn, Experiment::Dropout, Experiment::Overlap, Experiment::Augment] {
        for arm in variants(experiment, &small).unwrap() {
            let (before, after) = (weights(&small), weights(&arm.recipe));
            assert_eq!(before.len(), after.len());
            let same_shape = before.iter().zip(&after).filter(|(before, after)| before.shape == after.shape);
            // Without overlap, the first fully connected layer sees larger maps.
            let others = usize::from(experiment == Experiment::Overlap);
            assert_eq!(same_shape.clone().count(), before.len() - others, "{}", arm.name);
            assert!(same_shape.clone().all(|(before, after)| before == after), "{}", arm.name);
        }
    }
    let key = |recipe: &Recipe| {
        let network = Network::new(recipe, 10).unwrap();
        network.layers[network.layer_position("drop5").unwrap()].random_key
    };
    assert_eq!(key(&variants(Experiment::Lrn, &small).unwrap()[0].recipe), key(&small));
}

#[test]
fn one_column_has_the_weights_of_two() {
    for name in ["paper", "small", "cifar-paper", "original-2012", "caffe"] {
        let recipe = recipe(name);
        let one = &variants(Experiment::Columns, &recipe).unwrap()[0];
        let [before, after] = [&recipe, &one.recipe].map(|recipe| conv_weights(recipe).unwrap() as f64);
        assert!((after / before - 1.0).abs() < 0.02, "{name}: {before} -> {after}: {:?}", edits(one));
        let network = Network::new(&one.recipe, 10).unwrap();
        let whole = Network::new(&recipe, 10).unwrap();
        assert!((network.parameters() as f64 / whole.parameters() as f64 - 1.0).abs() < 0.02, "{name}");
        let is_single = one.recipe.layers.iter().all(|layer| match &layer.spec {
            Spec::Conv(conv) => conv.groups == 1,
            Spec::Lrn { groups, .. } => *groups == 1,
            _ => true,
        });
        assert!(is_single, "{name}");
    }
}

#[test]
fn columns_that_never_exchange_meet_in_the_last_layer() {
    let paper = recipe("paper");
    let arm = &variants(Experiment::Columns, &paper).unwrap()[1];
    let network = Network::new(&arm.recipe, 1000).unwrap();
    let shape =
        |name: &str| network.layers[network.layer_position(name).unwrap()].parameter_shapes().unwrap().0;
    assert_eq!(shape("conv1"), [96, 3, 11, 11]);
    assert_eq!(shape("conv3"), [384, 128, 3, 3]);
    assert_eq!(shape("fc6"), [4096, 128, 6, 6]);
    assert_eq!(shape("fc7"), [4096, 2048, 1, 1]);
    assert_eq!(shape("fc8"), [1000, 4096]);
}

#[test]
fn a_recipe_that_lacks_the_ingredient_is_refused_by_name() {
    let refused = |experiment: Experiment, name: &str, ingredient: &str| {
        let error = variants(experiment, &recipe(name)).unwrap_err();
        assert_eq!(error.kind, Kind::Usage);
        for part in [experiment.name(), name, ingredient] {
            assert!(error.message.contains(&part.to_owned()), "{error}");
        }
    };
    refused(Experiment::Lrn, "torchvision", "response normalization");
    refused(Experiment::Dropout, "cifar-18pct", "dropout");
    refused(Experiment::Columns, "torchvision", "columns");
    refused(Experiment::Augment, "cifar-18pct", "crops");
    refused(Experiment::Views, "cifar-18pct", "crops");
    refused(Experiment::Relu, "four-layer-tanh", "ReLUs");
    let mut no_overlap = recipe("small");
    no_overlap.set("layer.pool1,pool2.kernel", "2").unwrap();
    assert!(variants(Experiment::Overlap, &no_overlap).unwrap_err().message.contains("overlap"));
    // An arm whose crops cannot move would be the control again.
    let mut no_room = recipe("small");
    no_room.set("input.square", "26").unwrap();
    let names: Vec<String> =
        variants(Experiment::Augment, &no_room).unwrap().into_iter().map(|arm| arm.name).collect();
    assert_eq!(names, ["no-flips", "no-color-noise", "no-augmentation"]);
}

#[test]
fn the_control_is_planned_once() {
    let selection = Selection::Experiments(vec![Experiment::Lrn, Experiment::Columns, Experiment::Views]);
    let plan = ExperimentPlan::new(&settings(selection, "small", 3)).unwrap();
    let names: Vec<&str> = plan.arms.iter().map(|planned| planned.arm.name.as_str()).collect();
    assert_eq!(names, ["control", "no-lrn", "one-column", "no-exchange"]);
    assert_eq!((plan.runs(), plan.comparisons.len()), (12, 4));
    assert_eq!(plan.comparisons[3].contrast, Contrast::Views);
    assert_eq!(plan.arms[1].reshaped, Vec::<String>::new());
    assert!(plan.arms[3].reshaped.contains(&"conv3".to_owned()));
    let text = plan.to_string();
    assert!(text.contains("2/2^3 = 0.25") && text.contains("6 seeds are the fewest"), "{text}");
}

#[test]
fn all_leaves_out_what_the_recipe_lacks() {
    let plan = ExperimentPlan::new(&settings(Selection::All, "torchvision", 1)).unwrap();
    let left_out: Vec<&str> = plan.left_out.iter().map(|(experiment, _)| experiment.name()).collect();
    assert_eq!(left_out, ["lrn", "columns", "ensemble"], "one seed has no ensemble");
    assert!(plan.to_string().contains("nothing can be concluded"), "{plan}");
    assert_eq!(ExperimentPlan::new(&settings(Selection::All, "small", 6)).unwrap().left_out, []);
}

#[test]
fn only_speed_needs_no_control() {
    let selection = Selection::Experiments(vec![Experiment::Relu]);
    let plan = ExperimentPlan::new(&settings(selection, "four-layer-relu", 3)).unwrap();
    // Five rates and three seeds for each of two networks.
    assert_eq!((plan.arms.len(), plan.runs()), (0, 16));
}

/// The search for learning rates is that of the first call with one: other experiments have none.
#[test]
fn experiments_without_a_search_for_rates_share_a_folder_with_one() {
    let folder = tempfile::tempdir().unwrap();
    let open = |experiment, rate: f32| {
        let mut settings = settings(Selection::Experiments(vec![experiment]), "small", 1);
        settings.rates.rates = vec![rate];
        Folder::open(folder.path(), &Record::of(&settings)).map(drop)
    };
    open(Experiment::Lrn, 0.1).unwrap();
    open(Experiment::Relu, 0.01).unwrap();
    open(Experiment::Dropout, 0.1).unwrap();
    let refused = || open(Experiment::Relu, 0.1).unwrap_err().message;
    let difference = "the search for learning rates: 0.01 for 5 epochs to 40 % training error -> 0.1 for";
    assert!(refused().contains(difference), "{}", refused());
    // Records of version 1 have a search, whatever the experiments.
    let file = folder.path().join("reproduce.json");
    let text = std::fs::read_to_string(&file).unwrap();
    let mut record: serde_json::Value = serde_json::from_str(&text).unwrap();
    record["format_version"] = 1.into();
    std::fs::write(&file, record.to_string()).unwrap();
    open(Experiment::Lrn, 0.1).unwrap();
    open(Experiment::Relu, 0.01).unwrap();
    assert!(refused().contains(difference), "{}", refused());
}

#[test]
fn impossible_plans_are_refused() {
    let refused = |selection, seeds, part: &str| {
        let error = ExperimentPlan::new(&settings(selection, "small", seeds)).unwrap_err();
        assert!(error.message.contains(part), "{error}");
    };
    let experiments = |list: &[Experiment]| Selection::Experiments(list.to_vec());
    refused(experiments(&[Experiment::Lrn]), 0, "no seeds");
    refused(experiments(&[Experiment::Ensemble]), 1, "at least 2");
    refused(experiments(&[Experiment::Lrn, Experiment::Lrn]), 1, "twice");
    let mut without = settings(experiments(&[Experiment::Lrn]), "small", 1);
    without.dataset.splits.retain(|split| split.name == "train");
    let error = ExperimentPlan::new(&without).unwrap_err();
    assert!(error.kind == Kind::Data && error.message.contains("no validation images"), "{error}");
    without.selection = experiments(&[Experiment::Relu]);
    assert!(ExperimentPlan::new(&without).is_ok(), "training errors need no validation images");
}

#[test]
fn experiments_have_names() {
    for experiment in Experiment::ALL {
        assert_eq!(Experiment::parse(experiment.name()), Ok(experiment));
        assert!(!experiment.findings().is_empty());
    }
    let error = Experiment::parse("gelu").unwrap_err();
    assert!(error.help.unwrap().contains("relu, lrn"), "{}", error.message);
}

/// A limit of epochs counts the images that the training uses.
#[test]
fn images_that_cannot_be_decoded_are_not_part_of_an_epoch() {
    let data = tempfile::tempdir().unwrap();
    for (split, images) in [("train", 4_u8), ("val", 1)] {
        for class in ["a", "b", "c"] {
            let folder = data.path().join(split).join(class);
            std::fs::create_dir_all(&folder).unwrap();
            for i in 0..images {
                let pixels: Vec<u8> = (0..108).map(|at| 40 * i + at).collect();
                image::save_buffer(folder.join(format!("{i}.png")), &pixels, 6, 6, image::ColorType::Rgb8)
                    .unwrap();
            }
        }
    }
    for i in 0..5 {
        let broken = data.path().join(format!("train/a/broken-{i}.jpg"));
        std::fs::write(broken, b"\xff\xd8\xff\xe0 and no more").unwrap();
    }
    let mut recipe = model().recipe;
    recipe.set("schedule.epochs", "3").unwrap();
    recipe.set("optimizer.rate", "0.000001").unwrap();
    let runs = tempfile::tempdir().unwrap();
    let dataset = Dataset::open(data.path()).unwrap();
    assert_eq!(dataset.train().unwrap().len(), 17);
    let folder = runs.path().to_owned();
    let settings = ReproductionSettings::new(Selection::All, recipe, dataset, folder.clone());
    let settings = ReproductionSettings { source: Some(data.path().to_owned()), ..settings };
    let job = Job {
        name: "brief".into(),
        folder: folder.join("brief"),
        recipe: &settings.recipe,
        seed: 0,
        goal: Goal::Schedule,
        max_epochs: Some(2),
    };
    let mut observer = |_: &ReproductionEvent<'_>| ControlFlow::Continue(());
    let record = Trainer::new(&settings, &mut observer, 1).train(&job).unwrap();
    // 12 images in batches of 2.
    assert_eq!((record.end, record.steps), (RunEnd::Complete, 12));
    assert_eq!(epoch_steps(&settings.dataset, &job), 6);
}
