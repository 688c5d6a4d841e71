//! Shapes, parameters and multiply-adds of the built-in networks, and layers that do not fit.

use super::*;

/// Returns name, output `[channels, height, width]`, parameters and multiply-adds of layers with weights.
fn weighted(network: &Network) -> Vec<(&str, [usize; 3], usize, usize)> {
    let has_weights = network.layers.iter().filter(|layer| layer.weights().is_some());
    has_weights
        .map(|layer| {
            let out = layer.output;
            (layer.name.as_str(), [out.channels, out.height, out.width], layer.parameters(), layer.macs())
        })
        .collect()
}

#[test]
fn paper_parameters_and_macs() {
    let network = network(&builtin("paper"));
    assert_eq!(
        weighted(&network),
        [
            ("conv1", [96, 55, 55], 34_944, 105_415_200),
            ("conv2", [256, 27, 27], 307_456, 223_948_800),
            ("conv3", [384, 13, 13], 885_120, 149_520_384),
            ("conv4", [384, 13, 13], 663_936, 112_140_288),
            ("conv5", [256, 13, 13], 442_624, 74_760_192),
            ("fc6", [4096, 1, 1], 37_752_832, 37_748_736),
            ("fc7", [4096, 1, 1], 16_781_312, 16_777_216),
            ("fc8", [1000, 1, 1], 4_097_000, 4_096_000),
        ]
    );
    assert_eq!((network.parameters(), network.macs()), (60_965_224, 724_406_816));
    let units: usize = network.layers.iter().filter(|l| l.weights().is_some()).map(|l| l.output.len()).sum();
    assert_eq!(units, 659_272);
    let conv2 = network.layers.iter().find(|layer| layer.name == "conv2").unwrap();
    assert_eq!(conv2.parameter_shapes(), Some((vec![256, 48, 5, 5], vec![256])));
    assert_eq!(conv2.fan_in(), 1200);
}

#[test]
fn paper_without_groups() {
    let mut recipe = builtin("paper");
    for layer in ["conv2", "conv4", "conv5"] {
        recipe.set(&format!("layer.{layer}.groups"), "1").unwrap();
    }
    let network = network(&recipe);
    assert_eq!((network.parameters(), network.macs()), (62_378_344, 1_135_256_096));
}

#[test]
fn torchvision_parameters_and_macs() {
    let network = network(&builtin("torchvision"));
    assert_eq!((network.parameters(), network.macs()), (61_100_840, 714_188_480));
}

#[test]
fn other_programs_have_the_parameters_and_macs_of_the_paper() {
    for name in ["original-2012", "caffe", "caffenet"] {
        let network = network(&builtin(name));
        assert_eq!((network.parameters(), network.macs()), (60_965_224, 724_406_816), "{name}");
    }
}

#[test]
fn cifar_nets_round_up() {
    let side = |network: &Network, name: &str| {
        let layer = network.layers.iter().find(|layer| layer.name == name).unwrap();
        (layer.output.channels, layer.output.height)
    };
    let net = network(&builtin("cifar-18pct"));
    assert_eq!(["pool1", "pool2", "pool3"].map(|name| side(&net, name)), [(32, 16), (32, 8), (64, 4)]);
    // 2,432 + 25,632 + 51,264 + 10,250.
    assert_eq!(net.parameters(), 89_578);
    for (name, maps) in [("cifar-13pct", 32), ("cifar-11pct", 64)] {
        let net = network(&builtin(name));
        assert_eq!(
            ["pool1", "pool2", "local3"].map(|layer| side(&net, layer)),
            [(64, 12), (64, 6), (maps, 6)]
        );
        let local3 = net.layers.iter().find(|layer| layer.name == "local3").unwrap();
        let shapes = (vec![6, 6, maps, 64, 3, 3], vec![6, 6, maps]);
        assert_eq!(local3.parameter_shapes(), Some(shapes), "{name}");
    }
}

#[test]
fn normalization_constants_multiply_the_plain_sum() {
    let alpha = |recipe: &str, layer: &str| {
        let network = network(&builtin(recipe));
        let layer = network.layers.into_iter().find(|l| l.name == layer).unwrap();
        match layer.operation {
            Operation::Lrn(g) | Operation::MapNorm(g) => (g.constants().alpha, g.constants().k, g.groups()),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(alpha("paper", "norm1"), (1e-4, 2.0, 2));
    assert_eq!(alpha("original-2012", "norm1"), (1e-4 / 5.0, 2.0, 2));
    assert_eq!(alpha("original-2012", "cnorm2"), (1e-3 / 25.0, 1.0, 1));
    assert_eq!(alpha("caffe", "norm2"), (1e-4 / 5.0, 1.0, 1));
    assert_eq!(alpha("cifar-11pct", "norm2"), (1e-3 / 9.0, 1.0, 1));
}

#[test]
fn small_is_small() {
    let net = network(&builtin("small"));
    assert!((4_000_000..12_000_000).contains(&net.macs()), "{}", net.macs());
}

#[test]
fn layers_that_do_not_fit_are_refused() {
    let paper = builtin("paper");
    let error = Network::with_crop(&paper, 1000, 32).unwrap_err();
    assert_eq!(
        error.message,
        "layer pool5 (3x3/2), input 256 x 1 x 1: kernel 3 does not fit 1 pixels with pad 0: \
         expected at least 3 pixels"
    );
    let help = error.help.unwrap();
    let fits: usize = help.split(' ').find_map(|word| word.parse().ok()).unwrap();
    assert!(Network::with_crop(&paper, 1000, fits).is_ok(), "{help}");
    assert!(Network::with_crop(&paper, 1000, fits - 1).is_err(), "{help}");

    let mut recipe = paper.clone();
    recipe.set("layer.conv2.groups", "5").unwrap();
    let error = Network::new(&recipe, 1000).unwrap_err();
    assert!(error.message.contains("layer conv2 (5x5/1, pad 2, 5 groups), input 96 x 27 x 27: "), "{error}");
    assert!(error.help.as_ref().unwrap().contains("`--set layer.conv2.groups=4`"), "{error}");

    let mut recipe = paper.clone();
    recipe.set("layer.norm1.groups", "7").unwrap();
    let error = Network::new(&recipe, 1000).unwrap_err();
    assert!(error.help.as_ref().unwrap().contains("`--set layer.norm1.groups=6`"), "{error}");

    let mut recipe = paper.clone();
    recipe.set("layer.conv3.pad", "3").unwrap();
    let error = Network::new(&recipe, 1000).unwrap_err();
    assert!(error.help.as_ref().unwrap().contains("`--set layer.conv3.pad=2`"), "{error}");

    assert!(Network::new(&paper, 0).unwrap_err().help.is_some());
    assert!(Network::with_crop(&paper, 10, 0).unwrap_err().help.is_some());
    assert!(Network::with_crop(&paper, 10, usize::MAX).unwrap_err().help.is_some());
}

#[test]
fn networks_too_large_for_any_machine_are_refused() {
    let mut recipe = builtin("paper");
    recipe.set_all([("layer.fc6.units", "1048576"), ("layer.fc7.units", "1048576")]).unwrap();
    let error = Network::new(&recipe, 1000).unwrap_err();
    assert!(error.message.contains("layer fc7"), "{error}");
    assert!(error.message.contains("parameters up to this layer, expected at most 1099511627776"), "{error}");

    let mut recipe = builtin("cifar-11pct");
    recipe
        .set_all([
            ("input.square", "4096"),
            ("input.crop", "4096"),
            ("layer.conv1.maps", "1048576"),
            ("layer.conv1.kernel", "4096"),
            ("layer.conv1.pad", "4095"),
        ])
        .unwrap();
    let error = Network::new(&recipe, 1000).unwrap_err();
    assert!(error.message.contains("layer conv1"), "{error}");
}

/// The golden file contains the tensors of the network of its recipe.
#[test]
fn the_golden_recipe_has_the_shapes_of_the_golden_file() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/narrow-paper");
    let net = network(&builtin(&format!("{folder}.toml")));
    let bytes = std::fs::read(format!("{folder}.safetensors")).unwrap();
    let golden = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let shape = |name: &str| golden.tensor(name).unwrap().shape().to_vec();
    assert_eq!(shape("images"), [4, 3, 96, 96]);
    for layer in &net.layers {
        let (name, out) = (&layer.name, layer.output);
        let activation = shape(&format!("activation.{name}"));
        let units = activation.len() == 2;
        let expected =
            if units { vec![4, out.channels] } else { vec![4, out.channels, out.height, out.width] };
        assert_eq!((activation, out.pixels() == 1), (expected, units), "{name}");
        if let Some((weight, bias)) = layer.parameter_shapes() {
            for prefix in ["", "gradient.", "after."] {
                assert_eq!(shape(&format!("{prefix}{name}.weight")), weight);
                assert_eq!(shape(&format!("{prefix}{name}.bias")), bias);
            }
        }
    }
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(300))]

    /// Damage to the text of a recipe never causes a panic.
    #[test]
    fn damaged_recipes_never_panic(
        recipe in 0..11usize,
        at in 0.0..1.0f64,
        length in 0..12usize,
        patch in "[-0-9a-z.\"{}\\[\\]=\n ]{0,12}",
    ) {
        let name = Recipe::builtin_names().nth(recipe).unwrap();
        let text: Vec<char> = Recipe::builtin_text(name).unwrap().chars().collect();
        let at = (at * text.len() as f64) as usize;
        let kept = text[(at + length).min(text.len())..].iter();
        let damaged: String = text[..at].iter().copied().chain(patch.chars()).chain(kept.copied()).collect();
        if let Ok(recipe) = Recipe::parse(&damaged, "damaged.toml") {
            if let Ok(network) = Network::new(&recipe, recipe.classes) {
                show::text(&recipe, &network);
            }
            assert_eq!(Recipe::parse(&recipe.to_toml(), "again").unwrap(), recipe);
        }
    }

    /// No setting causes a panic.
    #[test]
    fn any_setting_is_accepted_or_refused(key in "(layer\\.)?[a-z1.]{0,12}(\\.groups|\\.pad)?", value in "\\PC{0,12}") {
        let mut recipe = builtin("small");
        if recipe.set(&key, &value).is_ok() {
            let _ = Network::new(&recipe, 10);
        }
    }
}
