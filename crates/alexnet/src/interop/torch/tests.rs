use super::naming::Naming;
use super::pickle::load;
use super::state_dict::StateDict;
use super::storages::Storages;
use crate::net::{Network, Recipe};

fn names(settings: &[(&str, &str)]) -> (Naming, Vec<String>) {
    let mut recipe = Recipe::load("torchvision").unwrap();
    recipe.set_all(settings.iter().copied()).unwrap();
    Naming::of_export(&Network::new(&recipe, 7).unwrap())
}

#[test]
fn exports_have_the_names_of_torchvision_if_they_compute_the_same() {
    let (naming, modules) = names(&[]);
    assert_eq!(naming, Naming::Torchvision);
    assert_eq!(
        (&modules[0][..], &modules[4][..], &modules[7][..]),
        ("features.0", "features.10", "classifier.6")
    );
    // Without effect in inference.
    for settings in [
        [("layer.drop6", "none"), ("layer.conv1.weights.rate", "0")],
        [("layer.drop7.rate", "0.9"), ("input.mean", "image")],
    ] {
        assert_eq!(names(&settings).0, Naming::Torchvision);
    }
    for (key, value) in [
        ("layer.drop6.scale", "test"),
        ("layer.conv2.pad", "1"),
        ("layer.fc7.units", "4095"),
        ("layer.relu1", "none"),
        ("layer.relu7.kind", "tanh"),
        ("input.crop", "227"),
    ] {
        let (naming, modules) = names(&[(key, value)]);
        assert_eq!((naming, &modules[0][..]), (Naming::Recipe, "conv1"), "{key}");
    }
    let paper = Network::new(&Recipe::load("paper").unwrap(), 7).unwrap();
    assert_eq!(Naming::of_export(&paper).0, Naming::Recipe);
}

#[test]
fn modules_are_in_the_order_of_the_network() {
    let recipe = Recipe::load("torchvision").unwrap();
    let names =
        ["classifier.1.weight", "features.10.bias", "features.10.weight", "features.3.weight", "steps"];
    let naming = Naming::of(names.into_iter());
    assert_eq!(naming.modules(&recipe, names.into_iter()), ["features.3", "features.10", "classifier.1"]);
    assert!(naming.is_inside(&[], "features.3.running_mean") && !naming.is_inside(&[], "avgpool.weight"));
}

/// A pickle of a dictionary with these keys and values.
fn dictionary(pairs: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = b"}(".to_vec();
    for (key, value) in pairs {
        bytes.push(b'X');
        bytes.extend(u32::try_from(key.len()).unwrap().to_le_bytes());
        bytes.extend([key.as_bytes(), value].concat());
    }
    bytes.push(b'u');
    bytes
}

/// The tensor `[x]`, whose storage is `key`.
const TENSOR: &[u8] =
    b"ctorch._utils\n_rebuild_tensor_v2\n((U\x07storagectorch\nFloatStorage\nU\x01sU\x03cpuK\x01tQK\x00K\x01\x85K\x01\x85\x89}tR";

fn found(pickle: &[u8]) -> Result<Vec<String>, String> {
    let bytes = [b"\x80\x02", pickle, b"."].concat();
    let storages = Storages::ByKey([("s", &[0; 4][..])].into());
    let pickle = load(&bytes).map_err(|error| error.to_string())?;
    let dict = StateDict::find(&pickle, &storages).map_err(|error| error.to_string())?;
    Ok(dict.tensors.into_keys().chain(dict.notes).collect())
}

#[test]
fn state_dicts_are_found_in_checkpoints() {
    let weights = dictionary(&[("a", TENSOR), ("b", TENSOR)]);
    assert_eq!(found(&weights).unwrap(), ["a", "b"]);
    let checkpoint = dictionary(&[("epoch", b"K\x05"), ("model", &weights), ("model_ema", &weights)]);
    let names = found(&checkpoint).unwrap();
    assert_eq!(names, ["a", "b", "the state dict is that of `model`; not used: epoch, model_ema"]);
    let nested = dictionary(&[("model", &dictionary(&[("state_dict", &weights)]))]);
    assert_eq!(found(&nested).unwrap().len(), 4);
    let unknown = dictionary(&[("teacher", &weights), ("epoch", b"N")]);
    assert!(found(&unknown).unwrap()[2].contains("`teacher`; not used: epoch"));
    let mixed = dictionary(&[("module.a", TENSOR), ("module.b", b"K\x01"), ("module._orig_mod.c", TENSOR)]);
    assert_eq!(
        found(&mixed).unwrap(),
        [
            "_orig_mod.c",
            "a",
            "not used, because they are no tensors: module.b",
            "the names of all tensors start with `module.`, which is left out"
        ]
    );
}

#[test]
fn what_has_no_state_dict_says_so() {
    let weights = dictionary(&[("a", TENSOR)]);
    for (pickle, expected) in [
        (dictionary(&[]), "no tensors"),
        (dictionary(&[("epoch", b"K\x05")]), "no tensors"),
        (b"]".to_vec(), "the file has a list, expected a state dict"),
        (TENSOR.to_vec(), "the file has a tensor, expected a state dict"),
        (
            dictionary(&[("student", &weights), ("teacher", &weights)]),
            "several state dicts: student, teacher",
        ),
    ] {
        let error = found(&pickle).unwrap_err();
        assert!(error.contains(expected) && error.contains("help: "), "{error}");
    }
}
