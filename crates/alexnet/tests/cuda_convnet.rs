//! The authors' own networks, from the folder `cuda-convnet` in `ALEXNET_SHARED`, as recipes: parameters, differences from the
//! built-in recipes, and a step of the reference engine.

use crate::support;

use std::path::PathBuf;

use alexnet::engine::reference::{self, Weights};
use alexnet::engine::{Batch, Device, Options, open};
use alexnet::interop::cuda_convnet::{Converted, Images, read};
use alexnet::net::{LrSchedule, Network, Recipe, Spec, diff};
use support::{lively_parameters, normals, relative_rms};

/// Converts a network of the folder, if that exists.
fn converted(name: &str, images: Images) -> Option<alexnet::Result<Converted>> {
    let Some(folder) =
        std::env::var_os("ALEXNET_SHARED").map(|shared| PathBuf::from(shared).join("cuda-convnet"))
    else {
        println!("skipped: ALEXNET_SHARED does not name a folder with cuda-convnet/");
        return None;
    };
    let files = ["layers", "layer-params"].map(|file| folder.join(format!("{file}{name}.cfg")));
    if let Some(missing) = files.iter().find(|file| !file.is_file()) {
        println!("skipped: no {}", missing.display());
        return None;
    }
    Some(read(&files[0], &files[1], images))
}

const NETWORKS: [&str; 7] = ["-145", "-147", "-148", "-150", "-18pct", "-conv-local-13pct", "-80sec"];

#[test]
fn the_authors_networks_have_their_parameters() {
    for (name, parameters) in [
        ("-145", 60_965_224),
        ("-147", 60_965_224),
        ("-148", 60_965_224),
        ("-150", 60_714_408),
        ("-18pct", 89_578),
        ("-80sec", 145_578),
    ] {
        let Some(converted) = converted(name, Images::default()) else { return };
        let recipe = converted.unwrap().recipe;
        assert_eq!(Network::new(&recipe, recipe.classes).unwrap().parameters(), parameters, "{name}");
    }
}

#[test]
fn configuration_145_is_the_recipe_original_2012() {
    let Some(converted) = converted("-145", Images::default()) else { return };
    let converted = converted.unwrap();
    let text = diff(&converted.recipe, &Recipe::load("original-2012").unwrap());
    assert!(text.contains("no differences in network, preprocessing or training"), "{text}");
    for part in [
        "starts at 0.01 and is divided after epochs 25, 51, 79 of 91",
        "[conv1a] are those",
        "epoch 72: set epsw to 0 on conv1",
    ] {
        assert!(converted.gaps.iter().any(|gap| gap.what.contains(part)), "{part}: {:#?}", converted.gaps);
    }
}

#[test]
fn the_other_configurations_differ_as_their_notes_say() {
    for (name, epochs, last) in
        [("-147", 90, vec![23, 51, 79]), ("-148", 97, vec![22, 44, 86]), ("-150", 92, vec![25, 49, 79])]
    {
        let Some(converted) = converted(name, Images::default()) else { return };
        let recipe = converted.unwrap().recipe;
        assert_eq!(recipe.schedule.epochs, epochs, "{name}");
        assert_eq!(recipe.schedule.lr, LrSchedule::AtEpochs { divide_by: 10.0, at_epochs: last }, "{name}");
        let overlaps = recipe
            .layers
            .iter()
            .any(|layer| matches!(&layer.spec, Spec::MaxPool(pool) if pool.stride < pool.kernel));
        let norms = recipe
            .layers
            .iter()
            .filter(|layer| matches!(layer.spec, Spec::Lrn { .. } | Spec::MapNorm { .. }))
            .count();
        let is_apart =
            recipe.layers.iter().all(|layer| !matches!(&layer.spec, Spec::Fc { units: Some(_), .. }));
        assert_eq!(
            (overlaps, norms, is_apart),
            (name != "-147", if name == "-148" { 0 } else { 3 }, name == "-150"),
            "{name}"
        );
    }
}

#[test]
fn the_cifar_networks_are_the_built_in_recipes() {
    const KNOWN: [&str; 5] = ["  schedule.", "  order: ", "  optimizer.decay: ", "  weights.decay: ", "    "];
    for (name, crop, builtin) in [("-18pct", 32, "cifar-18pct"), ("-conv-local-13pct", 24, "cifar-13pct")] {
        let Some(converted) = converted(name, Images { square: Some(32), crop: Some(crop) }) else { return };
        let recipe = converted.unwrap().recipe;
        let text = diff(&recipe, &Recipe::load(builtin).unwrap());
        let decays = |recipe: &Recipe| -> Vec<f32> {
            let weights = recipe.layers.iter().filter_map(|layer| layer.spec.weights());
            weights.map(|weights| weights.decay.unwrap_or(recipe.optimizer.decay)).collect()
        };
        assert_eq!(decays(&recipe), decays(&Recipe::load(builtin).unwrap()), "{builtin}");
        // All but the schedule, which the files have in prose, the order of max pooling and ReLU, which commute, and which
        // decay is the common one.
        let lines: Vec<&str> = text.lines().skip(1).take_while(|line| line.starts_with("  ")).collect();
        let other = lines.iter().find(|line| !KNOWN.iter().any(|known| line.starts_with(known)));
        assert_eq!(other, None, "{text}");
    }
}

#[test]
fn a_network_with_columns_in_parts_is_refused() {
    let Some(converted) = converted(".gc", Images::default()) else { return };
    let error = converted.unwrap_err();
    assert!(error.message.contains("`inputs` of [fc16c]"), "{error}");
}

/// The loss and all gradients of the reference engine, and the same of the CPU engine.
#[test]
fn the_reference_engine_trains_the_authors_networks() {
    for name in NETWORKS {
        // Small images: the work grows with the area.
        let is_large = name[1..].parse::<usize>().is_ok();
        let images = if is_large { Images { square: Some(99), crop: Some(99) } } else { Images::default() };
        let Some(converted) = converted(name, images) else { return };
        let network = Network::new(&converted.unwrap().recipe, 10).unwrap();
        let parameters = lively_parameters(&network, 1);
        let (pixels, labels, keys) = (normals(7, 2 * network.input.len()), [3, 1], [11, 22]);
        let batch = Batch::whole(&pixels, &labels, &keys);
        let weights = Weights::<f32>::from_tensors(&network, &parameters);
        let expected = reference::loss_and_gradients(&network, &weights, &pixels, &batch);
        assert!(expected.loss.is_finite(), "{name}");
        let mut engine = open(Device::Cpu, network.clone(), &Options::training(2, 1)).unwrap();
        engine.load(&parameters).unwrap();
        let outcome = engine.forward_backward(&batch, &mut |_| Ok(())).unwrap();
        assert!(
            (outcome.loss - expected.loss).abs() < 1e-3 * expected.loss,
            "{name}: {} {}",
            outcome.loss,
            expected.loss
        );
        for (tensor, (tensor_name, values)) in
            engine.gradients().unwrap().iter().zip(expected.weights.named(&network))
        {
            let [found, expected] =
                [&tensor.data, &values].map(|values| values.iter().map(|&v| f64::from(v)));
            let difference = relative_rms(found, expected);
            assert!(difference < 1e-3, "{name}: {tensor_name} {difference}");
        }
    }
}
